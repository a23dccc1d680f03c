from dataclasses import replace

import gymnasium
import numpy as np
import pytest

from iquitos_citylearn.env.gym import ChargingEnv
from iquitos_citylearn.env.observation import site_features
from iquitos_citylearn.env.twin import Twin
from iquitos_citylearn.env.vec_env import ChargingVecEnv
from tests.small import bess, hand_site, random_policy_actions, setting_of, small_site, years_of

N_YEARS = 4
N_STEPS = 72


@pytest.fixture(scope="module")
def sites():
    return years_of(small_site(), N_YEARS)


@pytest.fixture(scope="module")
def setting(sites, params):
    return setting_of(sites, params, "three_segment", keys=list(range(1, N_YEARS + 1)))


@pytest.fixture
def single_year(sites, params):
    """Return a function that makes the Gym environment of a year."""

    def make(year):
        return ChargingEnv(Twin(sites[year]), setting_of(sites[year], params, "three_segment", keys=[year + 1]))

    return make


def test_every_environment_equals_the_gym_one_over_several_years(setting, single_year):
    n_envs, rng = 3, np.random.default_rng(0)
    vec = ChargingVecEnv(setting, n_envs, seed=8)
    observation = vec.reset()
    singles = [single_year(int(year)) for year in vec.state.year]
    for e, single in enumerate(singles):
        np.testing.assert_array_equal(observation[e], single.reset()[0], strict=True)
    years_seen = [[int(year)] for year in vec.state.year]
    for t in range(3 * N_STEPS + 10):
        actions = random_policy_actions(rng, n_envs, 3)
        observation, rewards, dones, infos = vec.step(actions)
        assert (observation.dtype, rewards.dtype, dones.dtype) == (np.float32, np.float32, bool)
        for e in range(n_envs):
            expected, reward, _, truncated, info = singles[e].step(actions[e])
            assert vec.outputs.reward[e] == reward
            assert rewards[e] == np.float32(reward)
            assert vec.outputs.terms[e].tolist() == list(info["terms"].values())
            np.testing.assert_array_equal(vec.outputs.charger_action[e], info["charger_action"])
            assert bool(dones[e]) == truncated == ((t + 1) % N_STEPS == 0)
            if truncated:
                assert infos[e]["TimeLimit.truncated"] is True
                np.testing.assert_array_equal(infos[e]["terminal_observation"], expected, strict=True)
                years_seen[e].append(int(vec.state.year[e]))
                singles[e] = single_year(years_seen[e][-1])
                expected = singles[e].reset()[0]
            else:
                assert infos[e] == {}
            np.testing.assert_array_equal(observation[e], expected, err_msg=f"step {t}", strict=True)
    assert all(len(seen) == 4 for seen in years_seen)


def drawn_years(setting, seed, n_episodes=40):
    vec = ChargingVecEnv(setting, 1, seed)
    years = []
    for _ in range(n_episodes):
        vec.reset()
        years.append(int(vec.state.year[0]))
    return years


def test_the_seed_draws_the_years(setting):
    assert drawn_years(setting, 1) == drawn_years(setting, 1)
    assert drawn_years(setting, 1) != drawn_years(setting, 2)
    assert set(drawn_years(setting, 1)) == set(range(N_YEARS))


def test_what_was_handed_out_stays_as_it_was(setting):
    vec = ChargingVecEnv(setting, 2, seed=0)
    first = vec.reset()
    kept = first.copy()
    observation, rewards, dones, _ = vec.step(np.ones((2, 3), np.float32))
    copies = observation.copy(), rewards.copy(), dones.copy()
    for _ in range(N_STEPS):
        vec.step(np.zeros((2, 3), np.float32))
    np.testing.assert_array_equal(first, kept)
    for left, right in zip((observation, rewards, dones), copies, strict=True):
        np.testing.assert_array_equal(left, right)


def test_wrong_actions_are_refused(setting):
    vec = ChargingVecEnv(setting, 2, seed=0)
    vec.reset()
    with pytest.raises(ValueError, match=r"action has shape \(1, 3\); it must be \(2, 3\)"):
        vec.step(np.zeros((1, 3), np.float32))
    with pytest.raises(ValueError, match=r"action has shape \(2, 2\); it must be \(2, 3\)"):
        vec.step(np.zeros((2, 2), np.float32))
    vec.step(np.zeros((2, 3), np.float32))
    with pytest.raises(FloatingPointError, match="action is not finite at step 1"):
        vec.step(np.array([[0, 0, 0], [0, 0, np.inf]], np.float32))
    assert vec.state.time_step.tolist() == [1, 1]


def test_shared_attributes(setting):
    vec = ChargingVecEnv(setting, 2, seed=0)
    assert vec.get_attr("num_envs") == [2, 2]
    assert vec.get_attr("num_envs", indices=0) == [2]
    assert vec.env_is_wrapped(gymnasium.Wrapper) == [False, False]
    with pytest.raises(NotImplementedError, match="share num_envs"):
        vec.set_attr("num_envs", 3)
    with pytest.raises(NotImplementedError, match="no separate environments to call sample on"):
        vec.env_method("sample")
    vec.close()


def dispatched(params, dispatch="agent"):
    """Return a setting of four years with cars in the afternoon alone, and a battery of 20 to 100 kWh."""
    battery = replace(bess(initial_soc=1.0), depth_of_discharge=0.8)
    site = hand_site([(0, 14, 20, 0.25, 0.75), (1, 38, 43, 0.25, 0.75)], n_steps=96, load_kwh=10.0, battery=battery)
    return setting_of([replace(site, bess_dispatch=dispatch)] * N_YEARS, params)


def starts(setting, seed):
    """Return year, step, SOC of the battery and month's peak of 64 environments that have just been reset."""
    vec = ChargingVecEnv(setting, 64, seed)
    observation = vec.reset()
    state = vec.state
    return np.column_stack([state.year, state.time_step, state.bess_soc, state.peak_kw]), observation


def test_with_a_battery_under_the_agent_a_training_starts_within_the_year(params):
    setting = dispatched(params)
    found, observation = starts(setting, seed=1)
    np.testing.assert_array_equal(found, starts(setting, seed=1)[0])
    assert (found != starts(setting, seed=2)[0]).any()
    assert set(found[:, 0]) == set(range(N_YEARS))
    assert set(found[:, 1]) == {0, 24, 48, 72}, "midnight"
    highest_kw = setting.lookahead.scale_kw / 2
    for drawn, low, high in ((found[:, 2], 0.2, 1.0), (found[:, 3], 0.0, highest_kw)):
        tenth = (high - low) / 10
        assert low <= drawn.min() < low + tenth
        assert high - tenth < drawn.max() <= high
    connected = observation[:, -8::4]
    assert (connected == 0.0).all()
    names = site_features(setting.tables, setting.equipment)
    np.testing.assert_allclose(observation[:, names.index("bess_soc")], found[:, 2], rtol=1e-6)
    np.testing.assert_allclose(
        observation[:, names.index("month_peak_level")], found[:, 3] / setting.lookahead.scale_kw, rtol=1e-6
    )
    np.testing.assert_allclose(observation[:, names.index("hour_cos")], 1.0)


def test_without_one_it_starts_with_the_year(params):
    found, _ = starts(dispatched(params, "automatic"), seed=1)
    assert (found[:, 1] == 0).all()
    assert (found[:, 2] == 1.0).all()
    assert (found[:, 3] == 0.0).all()


def test_the_years_after_the_first_are_whole(params):
    vec = ChargingVecEnv(dispatched(params), 3, seed=1)
    vec.reset()
    for step in range(96):
        before = vec.state.time_step.copy()
        _, _, done, _ = vec.step(np.zeros((3, 3), np.float32))
        assert (done == (before == 95)).all(), step
        assert (vec.state.time_step[done] == 0).all()
        assert (vec.state.bess_soc[done] == 1.0).all()
