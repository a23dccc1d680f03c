"""`src/iquitos_citylearn/agents/per_charger.py`: updates of a share of the chargers."""

import numpy as np
import pytest
import torch
from gymnasium import spaces

from iquitos_citylearn.agents.algorithms import make_model
from iquitos_citylearn.agents.per_charger import DrawnChargers, PerChargerReplayBuffer, PerChargerRolloutBuffer
from iquitos_citylearn.env.vec_env import ChargingVecEnv
from tests.agents.small_agents import small_agent, small_model
from tests.small import setting_of, small_site

N_SITE, N_CHARGERS, N_FEATURES = 5, 8, 4
WITH_BESS = [False, True]


def box(size):
    return spaces.Box(-np.inf, np.inf, (size,), np.float32)


def filled(buffer_class, *, with_bess, **kwargs):
    """Return a full buffer whose every number says where it is from."""
    n_observations, n_actions = N_SITE + N_FEATURES * N_CHARGERS, N_CHARGERS + with_bess
    spaces_of = box(n_observations), box(n_actions)
    buffer = buffer_class(20, *spaces_of, device="cpu", n_envs=2, with_bess=with_bess, **kwargs)
    rng = np.random.default_rng(0)
    for name, array in vars(buffer).items():
        if isinstance(array, np.ndarray) and array.dtype == np.float32:
            getattr(buffer, name)[...] = rng.random(array.shape)
    buffer.pos, buffer.full = 0, True
    return buffer


@pytest.mark.parametrize("with_bess", WITH_BESS)
def test_chargers_are_drawn_once_each_and_equally_often(with_bess):
    np.random.seed(0)  # noqa: NPY002 - the buffers' generator
    drawn = DrawnChargers(N_SITE + N_FEATURES * N_CHARGERS, N_CHARGERS + with_bess, 0.4, with_bess=with_bess)
    assert (drawn.n_drawn, drawn.n_actions, drawn.are_all) == (3, 3 + with_bess, False)
    counts = np.zeros(N_CHARGERS)
    for _ in range(100):
        observed, acting = drawn.draw(20)
        chargers = acting[:, :3]
        assert all(len(set(row)) == 3 for row in chargers.tolist())
        assert (observed[:, :N_SITE] == np.arange(N_SITE)).all()
        expected = N_SITE + N_FEATURES * chargers[:, :, None] + np.arange(N_FEATURES)
        assert (observed[:, N_SITE:] == expected.reshape(20, -1)).all()
        assert not with_bess or (acting[:, 3] == N_CHARGERS).all()
        counts += np.bincount(chargers.ravel(), minlength=N_CHARGERS)
    np.testing.assert_allclose(counts / counts.sum(), 1 / N_CHARGERS, rtol=0.1)


@pytest.mark.parametrize("share", [0.0, -0.1, 1.01])
def test_a_share_out_of_range_is_refused(share):
    with pytest.raises(ValueError, match=r"charger_share is .*; it must be above 0 and at most 1"):
        DrawnChargers(9, 1, share, with_bess=False)


@pytest.mark.parametrize("with_bess", WITH_BESS)
def test_a_transition_has_the_same_chargers_before_and_after(with_bess):
    buffer = filled(PerChargerReplayBuffer, with_bess=with_bess, charger_share=0.4)
    buffer.next_observations[..., N_SITE:] = buffer.observations[..., N_SITE:] + 1.0
    buffer.actions[..., :N_CHARGERS] = buffer.observations[..., N_SITE::N_FEATURES] + 2.0
    buffer.rewards[..., :N_CHARGERS] = buffer.observations[..., N_SITE::N_FEATURES] + 3.0
    buffer.dones[...], buffer.timeouts[...] = buffer.observations[..., 0] > 0.5, 0.0
    sample = buffer.sample(30)
    assert sample.observations.shape == (30, N_SITE + 3 * N_FEATURES)
    chargers = sample.observations[:, N_SITE::N_FEATURES]
    torch.testing.assert_close(sample.next_observations[:, N_SITE:], sample.observations[:, N_SITE:] + 1.0)
    torch.testing.assert_close(sample.actions[:, :3], chargers + 2.0)
    torch.testing.assert_close(sample.rewards.reshape(30, -1)[:, :3], chargers + 3.0)
    done = (sample.observations[:, :1] > 0.5).float().expand(30, 3 + with_bess)
    assert (sample.dones.reshape(30, -1) == done).all()
    if with_bess:
        assert set(sample.actions[:, 3].tolist()) <= set(buffer.actions[..., -1].ravel().tolist())


@pytest.mark.parametrize("with_bess", WITH_BESS)
def test_a_rollouts_samples_are_of_the_same_chargers(with_bess):
    buffer = filled(PerChargerRolloutBuffer, with_bess=with_bess, charger_share=0.4)
    first = buffer.observations[..., N_SITE::N_FEATURES]
    for shift, name in enumerate(("actions", "values", "log_probs", "advantages", "returns")):
        getattr(buffer, name)[..., :N_CHARGERS] = first + shift
    batches = list(buffer.get(10))
    assert len(batches) == 4
    for _, actions, *per_charger in ((batch.observations, *batch[1:]) for batch in batches):
        for shift, found in enumerate((actions, *per_charger)):
            cars = found.reshape(10, -1)[:, :3]
            torch.testing.assert_close(cars, actions[:, :3] + shift)
    seen = torch.cat([batch.observations[:, 0] for batch in batches])
    assert sorted(seen.tolist()) == sorted(buffer.observations[..., 0].ravel().tolist())


def test_a_share_of_all_is_the_buffer_without_one():
    samples = []
    for kwargs in ({}, {"charger_share": 1.0}, {"charger_share": 0.99}):
        np.random.seed(3)  # noqa: NPY002 - the buffers' generator
        samples.append(filled(PerChargerReplayBuffer, with_bess=False, **kwargs).sample(7))
    for one, *others in zip(*(sample[:5] for sample in samples), strict=True):
        assert all(torch.equal(one, other) for other in others)


def test_the_mean_loss_over_drawn_chargers_estimates_the_one_over_all(params):
    np.random.seed(1)  # noqa: NPY002 - the buffers' generator
    model, _ = small_model(params, "sac")
    seen, action, share = torch.rand(400, model.observation_space.shape[0]), torch.rand(400, 3), 0.34
    n_site = seen.shape[1] - 3 * N_FEATURES
    seen[:, n_site::N_FEATURES] = (torch.rand(400, 3) < 0.6).float()
    seen[:, n_site + 2 :: N_FEATURES] = 1.0
    with torch.no_grad():
        whole = model.critic(seen, action)[0].reshape(400, 3)
        observed, acting = DrawnChargers(seen.shape[1], 3, share, with_bess=False).draw(400)
        some = model.critic(seen.gather(1, torch.as_tensor(observed)), action.gather(1, torch.as_tensor(acting)))[0]
    torch.testing.assert_close(some, whole.gather(1, torch.as_tensor(acting)).reshape(-1, 1), rtol=1e-4, atol=1e-6)
    assert some.shape == (400, 1)


GAMMA, BESS_GAMMA, SCALE, GAE_LAMBDA = 0.8, 0.99, 0.25, 0.9


def test_a_rollout_gives_the_battery_its_own_discount_and_scale():
    """Advantages against a plain loop from each step to the end of the charger's session or of the battery's year."""
    n_steps, n_envs, n_actions = 12, 2, N_CHARGERS + 1
    buffer = PerChargerRolloutBuffer(
        n_steps, box(N_SITE + N_FEATURES * N_CHARGERS), box(n_actions), device="cpu", n_envs=n_envs, with_bess=True,
        gamma=GAMMA, gae_lambda=GAE_LAMBDA, bess_gamma=BESS_GAMMA, bess_reward_scale=SCALE,
    )  # fmt: skip
    rng = np.random.default_rng(2)
    seen = rng.random((n_steps, n_envs, N_SITE + N_FEATURES * N_CHARGERS)).astype(np.float32)
    seen[:, :, N_SITE::N_FEATURES] = rng.random((n_steps, n_envs, N_CHARGERS)) < 0.7
    connected = np.concatenate([seen[:, :, N_SITE::N_FEATURES], np.ones((n_steps, n_envs, 1))], axis=2)
    starts = np.zeros((n_steps, n_envs))
    starts[5, 0] = starts[8, 1] = 1.0
    rewards = rng.normal(size=(n_steps, n_envs, n_actions)).astype(np.float32)
    values = (rng.normal(size=(n_steps + 1, n_envs, n_actions)) * np.append(connected, connected[-1:], axis=0)).astype(
        np.float32
    )
    for t in range(n_steps):
        value = torch.as_tensor(values[t])
        buffer.add(seen[t], np.zeros((n_envs, n_actions)), rewards[t], starts[t], value, value)
    buffer.compute_returns_and_advantage(torch.as_tensor(values[-1]), np.array([False, True]))

    for e in range(n_envs):
        for action in range(n_actions):
            of_bess = action == N_CHARGERS
            gamma, scale = (BESS_GAMMA, SCALE) if of_bess else (GAMMA, 1.0)
            for t in range(n_steps):
                total, weight, k = 0.0, 1.0, t
                while k < n_steps and connected[k, e, action]:
                    ends = starts[k + 1, e] if k + 1 < n_steps else float(e == 1)
                    following = 0.0 if ends else values[k + 1, e, action]
                    total += weight * (scale * rewards[k, e, action] + gamma * following - values[k, e, action])
                    weight *= gamma * GAE_LAMBDA
                    k += 1
                    if ends:
                        break
                assert buffer.advantages[t, e, action] == pytest.approx(total, abs=1e-4), (t, e, action)
                returned = buffer.returns[t, e, action] - values[t, e, action]
                assert returned == pytest.approx(total, abs=1e-4)


@pytest.mark.parametrize("share", [1.0, 0.4])
@pytest.mark.parametrize("bess_gamma", [BESS_GAMMA, None, 0.5])
def test_a_replayed_transition_has_the_batterys_own_discount_and_scale(share, bess_gamma):
    """What SAC makes of it: reward + gamma (1 - done) next value, for each action."""
    np.random.seed(0)  # noqa: NPY002 - the buffers' generator
    n_actions = N_CHARGERS + 1
    buffer = PerChargerReplayBuffer(
        20, box(N_SITE + N_FEATURES * N_CHARGERS), box(n_actions), device="cpu", with_bess=True, charger_share=share,
        gamma=GAMMA, bess_gamma=bess_gamma, bess_reward_scale=SCALE,
    )  # fmt: skip
    rng = np.random.default_rng(4)
    rewards = rng.normal(size=(20, n_actions)).astype(np.float32)
    for t in range(20):
        seen = np.full((1, N_SITE + N_FEATURES * N_CHARGERS), float(t), np.float32)
        action = np.arange(n_actions, dtype=np.float32)[None]
        infos = [{"TimeLimit.truncated": t % 5 == 0}]
        buffer.add(seen, seen + 1.0, action, rewards[t : t + 1], np.array([t % 5 in (0, 1)]), infos)
    sample = buffer.sample(50)
    n_drawn = sample.actions.shape[1]
    steps, acting = sample.observations[:, 0].long().tolist(), sample.actions.long().tolist()
    next_value = 2.0
    targets = (sample.rewards + GAMMA * (1.0 - sample.dones) * next_value).reshape(50, n_drawn)
    for row, t in enumerate(steps):
        ends = t % 5 == 1  # an end at which the time is up is none
        for column, action in enumerate(acting[row]):
            of_bess = action == N_CHARGERS
            gamma = GAMMA if not of_bess or bess_gamma is None else bess_gamma
            expected = rewards[t, action] * (SCALE if of_bess else 1.0) + (0.0 if ends else gamma * next_value)
            assert float(targets[row, column]) == pytest.approx(expected, abs=1e-5), (t, action)
    assert all(row[-1] == N_CHARGERS for row in acting)
    assert {t % 5 for t in steps} == {0, 1, 2, 3, 4}


@pytest.mark.parametrize(("agent", "buffer"), [("sac", "replay_buffer"), ("ppo", "rollout_buffer")])
def test_a_learner_hands_its_discount_to_the_buffer(params, agent, buffer):
    own = {f"{buffer}_kwargs": {"bess_gamma": BESS_GAMMA, "bess_reward_scale": SCALE}, "gamma": GAMMA}
    agent_params = small_agent(params, agent, class_kwargs=own)
    site = small_site(4, bess="agent")
    setting = setting_of(site, params, agent_params.action_mapping, bess_mapping="rule_offset")
    env = ChargingVecEnv(setting, agent_params.n_envs, 0, reward_per_charger=True)
    model = make_model(agent, agent_params, params.environment, env, 0)
    found = getattr(model, buffer)
    if agent == "sac":
        ends = found._ends(np.array([0.0, 1.0], np.float32), 2).ravel()
        np.testing.assert_allclose(GAMMA * (1.0 - ends), [GAMMA, BESS_GAMMA, 0.0, 0.0], rtol=1e-6)
    else:
        np.testing.assert_allclose(found.discounts, [GAMMA] * 3 + [BESS_GAMMA])
        np.testing.assert_allclose(found.scales, [1.0] * 3 + [SCALE])
    model.learn(8)
