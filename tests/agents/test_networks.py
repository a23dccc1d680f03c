import numpy as np
import pytest
import torch

from tests.agents.small_agents import AGENTS, small_model

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


def test_cars_with_no_need_and_with_the_largest_get_finite_actions(model):
    seen = observations(model, 4, occupied=1.1)
    for value in (0.0, 1.0):
        blocks(seen)[:, :, 1:] = value
        action = predict(model, seen)
        assert np.isfinite(action).all()
        assert (np.abs(action) <= 1.0).all()


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_sample_keeps_a_share_of_the_chargers_before_and_after_the_step(params, share):
    model, _ = small_model(params, "sac", class_kwargs={"replay_buffer_kwargs": {"charger_share": share}})
    buffer = model.replay_buffer
    before, after = observations(model, 60, occupied=1.1), observations(model, 60, occupied=1.1, seed=1)
    for step in range(60):
        reward = np.full((1, N_CHARGERS), 1.0 + step)
        buffer.add(before[step], after[step], np.zeros((1, N_CHARGERS)), reward, np.zeros(1), [{}])
    sample = buffer.sample(400)
    kept = sample.rewards.numpy().reshape(-1, N_CHARGERS) > 0.0
    assert kept.mean() == pytest.approx(share, abs=0.1)
    for seen in (sample.observations.numpy(), sample.next_observations.numpy()):
        np.testing.assert_array_equal(blocks(seen)[:, :, 0] > 0.0, kept)
        assert (blocks(seen)[:, :, 1:] > 0.0).mean() > 0.9
