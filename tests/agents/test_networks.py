from dataclasses import replace

import numpy as np
import pytest
import torch
from gymnasium import spaces

from iquitos_citylearn.agents.algorithms import make_model
from iquitos_citylearn.agents.networks import action_needed, mapped_share
from iquitos_citylearn.agents.per_charger import PerChargerRolloutBuffer
from iquitos_citylearn.agents.policies import LOG_STD_MAX, LOG_STD_MIN
from iquitos_citylearn.env.vec_env import ChargingVecEnv
from tests.agents.small_agents import AGENTS, small_agent, small_model
from tests.small import setting_of, small_site, years_of

N_CHARGERS, N_FEATURES = 3, 4


@pytest.fixture(scope="module", params=AGENTS)
def model(request, params):
    """An untrained per-charger agent whose weights are far from their start."""
    model, _ = small_model(params, request.param)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weights in model.policy.parameters():
            weights.add_(0.2 * torch.randn(weights.shape, generator=generator))
    return model


def observations(model, n, *, occupied=0.6, seed=0):
    """Return random observations; empty chargers are all 0, as in the environment."""
    rng = np.random.default_rng(seed)
    seen = rng.random((n, model.observation_space.shape[0])).astype(np.float32)
    for block in blocks(seen).transpose(1, 0, 2):
        connected = rng.random(n) < occupied
        block[:, 0] = 1.0
        block[:, 2] = np.maximum(block[:, 1], block[:, 2])  # to full is never less than the need
        block[~connected] = 0.0
    return seen


def blocks(seen):
    return seen[:, -N_CHARGERS * N_FEATURES :].reshape(-1, N_CHARGERS, N_FEATURES)


def predict(model, seen):
    return model.predict(seen, deterministic=True)[0]


def test_without_cars_the_network_is_not_asked(model, monkeypatch):
    asked = []
    monkeypatch.setattr(model.policy, "_predict", lambda seen, **_: asked.append(len(seen)) or torch.ones(len(seen), 3))
    empty = observations(model, 4, occupied=0.0)
    assert (predict(model, empty) == np.zeros((4, N_CHARGERS), np.float32)).all()
    assert predict(model, empty[0]).shape == (N_CHARGERS,)
    assert not asked
    assert (predict(model, np.concatenate([empty, observations(model, 1, occupied=1.1)])) == 1.0).all()
    assert asked == [5]


def test_cars_that_change_places_change_actions(model):
    seen = observations(model, 50)
    for order in ([1, 0, 2], [2, 0, 1], [2, 1, 0]):
        moved = seen.copy()
        blocks(moved)[:] = blocks(seen)[:, order]
        np.testing.assert_allclose(predict(model, moved), predict(model, seen)[:, order], atol=1e-5)


def test_the_action_depends_on_the_car_and_on_the_site(model):
    seen = observations(model, 50, occupied=1.1)
    action = predict(model, seen)
    assert action.std() > 0.01
    for entry in (0, -2):  # the hour, and the energy to full of the last charger
        other = seen.copy()
        other[:, entry] = 1.0 - other[:, entry]
        assert (predict(model, other) != action).any()


def test_empty_chargers_get_the_neutral_action(model):
    seen = observations(model, 50)
    empty = blocks(seen)[:, :, 0] == 0.0
    assert 0.1 < empty.mean() < 0.9
    assert (predict(model, seen)[empty] == 0.0).all()
    nobody = observations(model, 5, occupied=-1.0)
    assert (predict(model, nobody) == 0.0).all()


def test_other_chargers_do_not_influence_a_cars_action(model):
    seen = observations(model, 50, occupied=1.1)
    alone = seen.copy()
    blocks(alone)[:, 1:] = 0.0
    np.testing.assert_allclose(predict(model, alone)[:, 0], predict(model, seen)[:, 0], atol=1e-5)
    garbage = alone.copy()
    blocks(garbage)[:, 1:, 1:] = 0.7  # not connected, whatever its other entries say
    np.testing.assert_array_equal(predict(model, garbage), predict(model, alone))


def test_a_batch_gives_what_each_observation_alone_gives(model):
    seen = observations(model, 20)
    alone = np.concatenate([predict(model, one[None]) for one in seen])
    np.testing.assert_allclose(predict(model, seen), alone, atol=1e-5)


def test_actions_of_empty_chargers_are_worth_nothing_to_the_critic(params):
    model, _ = small_model(params, "sac")
    seen = torch.as_tensor(observations(model, 50))
    empty = torch.as_tensor(blocks(seen.numpy())[:, :, 0] == 0.0)
    action = torch.rand(50, N_CHARGERS) * 2 - 1
    other = torch.where(empty, -action, action)
    with torch.no_grad():
        for value, other_value in zip(model.critic(seen, action), model.critic(seen, other), strict=True):
            assert torch.isfinite(value).all()
            torch.testing.assert_close(value, other_value, rtol=0.0, atol=0.0)


def test_the_critics_value_an_action_to_be_improved_without_a_gradient_of_their_own(params):
    model, _ = small_model(params, "sac")
    seen = torch.as_tensor(observations(model, 50, occupied=1.1))
    action = torch.rand(50, N_CHARGERS) * 2 - 1
    improved = action.clone().requires_grad_()
    model.critic.zero_grad()
    values = torch.cat(model.critic(seen, improved))
    values.sum().backward()
    assert (improved.grad != 0.0).any()
    assert all(weights.grad is None for weights in model.critic.parameters())
    trained = torch.cat(model.critic(seen, action))
    torch.testing.assert_close(trained, values, rtol=0.0, atol=0.0)
    trained.sum().backward()
    assert all(weights.grad is not None for weights in model.critic.parameters())


def test_rows_are_those_of_the_observation_at_hand(params):
    model, _ = small_model(params, "sac")
    several = [torch.as_tensor(observations(model, 20, seed=seed)) for seed in range(4)]
    expected = [model.policy.rows(seen).inputs for seen in several]
    for index in (3, 2, 3, 0, 1, 0):
        again = model.policy.rows(several[index])
        torch.testing.assert_close(again.inputs, expected[index], rtol=0.0, atol=0.0)
        torch.testing.assert_close(again.site, several[index][:, : again.site.shape[1]], rtol=0.0, atol=0.0)


def test_cars_with_no_need_and_with_the_largest_get_finite_actions(model):
    seen = observations(model, 4, occupied=1.1)
    for value in (0.0, 1.0):
        blocks(seen)[:, :, 1:] = value
        action = predict(model, seen)
        assert np.isfinite(action).all()
        assert (np.abs(action) <= 1.0).all()


@pytest.mark.parametrize("squashed", [False, True])
def test_the_needed_action_charges_the_needed_share_under_dead_zones(squashed):
    share = torch.linspace(0.0, 1.0, 11)
    mean = action_needed(share, squashed=squashed)
    action = torch.tanh(mean) if squashed else mean
    torch.testing.assert_close(mapped_share("dead_zones", 0.5 * (action + 1.0), share), share)


@pytest.mark.parametrize("agent", ["ppo", "a2c"])
def test_a_gaussian_actor_starts_in_the_middle_and_can_charge_the_need_by_its_skip_alone(params, agent):
    model, _ = small_model(params, agent)
    seen = observations(model, 200, occupied=1.1)
    assert np.abs(predict(model, seen)).max() < 0.1  # half the rating, whatever the need
    skip, gain = model.policy.mlp_extractor.actor.net.skip, model.policy.gain
    assert skip.weight.shape == (1, 1)
    with torch.no_grad():
        skip.weight.fill_(1.0 / gain)
    share = np.minimum(blocks(seen)[:, :, 1] * params.environment.energy_horizon_hours, 1.0)
    # The bound of 50 takes little of the mean: 50 x 0.9 / 50.9 = 0.88 in place of 0.9.
    np.testing.assert_allclose(predict(model, seen), 0.9 * (2.0 * share - 1.0), atol=0.06)


@pytest.mark.parametrize("agent", ["ppo", "a2c"])
def test_the_spread_of_actions_moves_by_its_gain_and_within_limits(params, agent):
    model, _ = small_model(params, agent, class_kwargs={"policy_kwargs": {"log_std_init": -2.0, "std_gain": 30.0}})
    policy = model.policy
    for change, expected in ((0.0, -2.0), (0.01, -1.7), (-1.0, LOG_STD_MIN), (1.0, LOG_STD_MAX)):
        with torch.no_grad():
            policy.log_std_change.fill_(change)
        assert policy.log_std.item() == pytest.approx(expected)


def test_a_gain_of_zero_leaves_the_spread_of_actions_as_it_is(params):
    model, _ = small_model(params, "ppo", class_kwargs={"policy_kwargs": {"log_std_init": -2.0, "std_gain": 0.0}})
    model.learn(64)
    assert model.policy.log_std.item() == -2.0


@pytest.fixture(scope="module", params=AGENTS)
def with_bess(request, params):
    """An untrained agent of a site whose battery it dispatches; its weights are far from their start."""
    sites = [replace(site, bess_dispatch="agent") for site in years_of(small_site(4, bess="agent"), 4)]
    agent_params = small_agent(params, request.param)
    setting = setting_of(sites, params, agent_params.action_mapping, keys=[1, 2, 3, 4])
    env = ChargingVecEnv(setting, agent_params.n_envs, 0, reward_per_charger=True)
    model = make_model(request.param, agent_params, params.environment, env, 0)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weights in model.policy.parameters():
            weights.add_(0.2 * torch.randn(weights.shape, generator=generator))
    return model


def test_the_battery_has_an_entry_of_its_own_that_sees_the_site_alone(with_bess):
    seen = observations(with_bess, 20)
    actions = predict(with_bess, seen)
    assert actions.shape == (20, N_CHARGERS + 1)
    assert len(set(actions[:, -1].tolist())) == 20
    emptied, other_site = seen.copy(), seen.copy()
    blocks(emptied)[:] = 0.0
    other_site[:, 5] += 0.5
    np.testing.assert_array_equal(predict(with_bess, emptied)[:, -1], actions[:, -1])
    assert (predict(with_bess, other_site)[:, -1] != actions[:, -1]).all()


def test_the_battery_always_has_a_value_and_an_empty_charger_none(with_bess):
    seen = torch.as_tensor(observations(with_bess, 20, occupied=0.0))
    if hasattr(with_bess, "critic"):
        action = torch.rand((20, N_CHARGERS + 1))
        values = torch.stack(with_bess.critic(seen, action)).reshape(2, 20, N_CHARGERS + 1)
        action[:, -1] -= 0.5
        others = torch.stack(with_bess.critic(seen, action)).reshape(2, 20, N_CHARGERS + 1)
        assert (others[:, :, -1] != values[:, :, -1]).all()
    else:
        values = with_bess.policy.predict_values(seen)
    assert (values[..., :-1] == 0.0).all()
    assert (values[..., -1] != 0.0).all()


def test_it_learns_and_moves_the_battery(with_bess):
    seen = observations(with_bess, 5)
    before = predict(with_bess, seen)[:, -1]
    with_bess.learn(64)
    assert (predict(with_bess, seen)[:, -1] != before).all()


def test_the_batterys_advantage_runs_on_without_cars():
    observation, action = spaces.Box(0, 1, (2 + N_FEATURES,)), spaces.Box(-1, 1, (2,))
    buffer = PerChargerRolloutBuffer(3, observation, action, gamma=0.5, gae_lambda=0.5, with_bess=True)
    for reward in (1.0, 2.0, 4.0):  # no car at the only charger
        value = torch.ones((1, 2))
        buffer.add(np.zeros((1, 6)), np.zeros((1, 2)), np.full((1, 2), reward), np.zeros(1), value, value)
    buffer.compute_returns_and_advantage(torch.full((1, 2), 2.0), np.zeros(1))
    # Battery: last 4 + 0.5 x 2 - 1 = 4; before 2 + 0.5 - 1 + 0.25 x 4 = 2.5; first 1 + 0.5 - 1 + 0.25 x 2.5 = 1.125.
    np.testing.assert_allclose(buffer.advantages[:, 0], [[0.0, 1.125], [0.0, 2.5], [0.0, 4.0]])
