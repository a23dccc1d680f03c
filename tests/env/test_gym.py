import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from stable_baselines3.common.env_checker import check_env as check_for_stable_baselines3

from iquitos_citylearn.env.citylearn import CityLearnSimulator
from iquitos_citylearn.env.gym import ChargingEnv, TwinEnv
from iquitos_citylearn.env.setting import make_spaces
from iquitos_citylearn.env.twin import Twin
from tests.small import random_policy_actions, setting_of, small_site, years_of


@pytest.fixture(scope="module", params=["any_simulator", "twin"])
def env(params, request):
    site = small_site(1)
    setting = setting_of(site, params, "three_segment")
    return TwinEnv(setting) if request.param == "twin" else ChargingEnv(Twin(site), setting)


@pytest.mark.parametrize("make", [TwinEnv, lambda setting: ChargingEnv(Twin(small_site()), setting)])
def test_a_setting_of_several_years_is_refused(params, make):
    with pytest.raises(ValueError, match="the setting has 2 years; it must have exactly 1"):
        make(setting_of(years_of(small_site(), 2), params))


def test_gymnasium_accepts_it(env):
    check_env(env, skip_render_check=True)


def test_stable_baselines3_accepts_it(env):
    check_for_stable_baselines3(env)


def run(simulator, setting, actions):
    env = ChargingEnv(simulator, setting)
    rows = [(env.reset()[0], None, None, None, False)]
    for action in actions:
        observation, reward, terminated, truncated, info = env.step(action)
        assert not terminated
        rows.append((observation, reward, info["terms"], info["charger_action"], truncated))
    return rows


@pytest.mark.parametrize("mapping", ["raw", "three_segment"])
@pytest.mark.parametrize("which", ["stored", "stored_without_bess", "stored_agent_bess"])
def test_citylearn_and_the_twin_give_the_same_to_the_bit(request, params, which, mapping):
    data = request.getfixturevalue(which)
    setting = setting_of(data.site, params, mapping)
    n_actions = make_spaces(setting)[1].shape[0]
    assert n_actions == 3 + (which == "stored_agent_bess")
    actions = random_policy_actions(np.random.default_rng(5), data.site.n_steps, n_actions)
    on_twin = run(Twin(data.site), setting, actions)
    on_citylearn = run(CityLearnSimulator(data.schema, data.site), setting, actions)
    assert len(on_twin) == 73
    for t, (left, right) in enumerate(zip(on_twin, on_citylearn, strict=True)):
        np.testing.assert_array_equal(left[0], right[0], err_msg=f"observation of step {t}", strict=True)
        assert left[1] == right[1], f"reward of step {t - 1}"
        assert left[2] == right[2], f"terms of step {t - 1}"
        np.testing.assert_array_equal(left[3], right[3])
        assert left[4] == right[4] == (t == 72)
    assert any(row[1] not in (None, 0.0) for row in on_twin)


def test_citylearn_starts_again_from_the_start(params, stored):
    setting = setting_of(stored.site, params)
    env = ChargingEnv(CityLearnSimulator(stored.schema, stored.site), setting)
    action = np.full(3, 0.3, np.float32)
    runs = []
    for _ in range(2):
        first, _ = env.reset()
        runs.append([first, *(env.step(action)[0] for _ in range(30))])
    np.testing.assert_array_equal(runs[0], runs[1])


def test_a_reset_forgets_and_the_given_observation_stays(env):
    first, info = env.reset(seed=3)
    assert info == {}
    kept = first.copy()
    for _ in range(20):
        env.step(np.ones(3, np.float32))
    np.testing.assert_array_equal(first, kept)
    again, _ = env.reset(seed=9)
    np.testing.assert_array_equal(again, kept)


def test_the_year_ends_by_truncation_after_its_last_step_and_needs_a_reset(env):
    env.reset()
    for t in range(72):
        _, _, terminated, truncated, info = env.step(np.zeros(3, np.float32))
        assert (terminated, truncated) == (False, t == 71)
        assert set(info) == {"terms", "charger_action", "bess_action", "result"}
    with pytest.raises(RuntimeError, match="the year is over at step 72: reset first"):
        env.step(np.zeros(3, np.float32))
    env.reset()
    env.step(np.zeros(3, np.float32))


def test_wrong_actions_are_refused_and_change_nothing(env):
    before, _ = env.reset()
    with pytest.raises(ValueError, match=r"action has shape \(1, 2\); it must be \(1, 3\)"):
        env.step(np.zeros(2, np.float32))
    with pytest.raises(FloatingPointError, match="action is not finite at step 0"):
        env.step(np.array([0.0, np.nan, 0.0], np.float32))
    first, *_ = env.step(np.ones(3, np.float32))
    np.testing.assert_array_equal(env.reset()[0], before)
    np.testing.assert_array_equal(env.step(np.ones(3, np.float32))[0], first)


@pytest.mark.parametrize("mapping", ["raw", "three_segment"])
def test_one_compiled_call_gives_the_same_to_the_bit(params, mapping):
    site = small_site(1)
    setting = setting_of(site, params, mapping)
    envs = ChargingEnv(Twin(site), setting), TwinEnv(setting)
    left, right = (env.reset() for env in envs)
    for action in random_policy_actions(np.random.default_rng(7), site.n_steps, site.n_chargers):
        assert left[0].tobytes() == right[0].tobytes()
        left, right = (env.step(action) for env in envs)
        assert left[1:4] == right[1:4]
        np.testing.assert_equal(left[4], right[4])
    assert left[0].tobytes() == right[0].tobytes()
