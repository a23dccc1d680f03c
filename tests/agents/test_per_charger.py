"""`src/iquitos_citylearn/agents/per_charger.py`: updates of a share of the chargers."""

import numpy as np
import pytest
import torch
from gymnasium import spaces

from iquitos_citylearn.agents.per_charger import DrawnChargers, PerChargerReplayBuffer, PerChargerRolloutBuffer
from tests.agents.small_agents import small_model

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
