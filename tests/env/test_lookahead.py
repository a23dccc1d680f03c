"""What observations say of the hours ahead, and what a battery's entry means, held to plain formulas."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iquitos_citylearn.env.action import BESS_MAPPINGS
from iquitos_citylearn.env.features import LOOKAHEAD_FEATURES
from iquitos_citylearn.env.gym import ChargingEnv
from iquitos_citylearn.env.lookahead import with_level
from iquitos_citylearn.env.night import Caution
from iquitos_citylearn.env.setting import make_spaces, single_year
from iquitos_citylearn.env.twin import Twin
from iquitos_citylearn.env.vec_env import ChargingVecEnv
from iquitos_citylearn.params import CautionParams, LevelParams
from iquitos_citylearn.site.expectations import fit_expectations
from tests.env import plain_night
from tests.small import (
    names_of,
    random_policy_actions,
    setting_of,
    small_site,
    with_demand_charge,
    years_of,
)

N_STEPS = 72
SECOND_MONTH = 30
EXPECTED = fit_expectations([small_site(8), small_site(9)])


def dispatched_site(seed=4):
    return with_demand_charge(small_site(seed, bess="agent"), second_month=SECOND_MONTH)


def actions_for(site, seed=6):
    n_actions = site.n_chargers + (site.bess_dispatch == "agent")
    return random_policy_actions(np.random.default_rng(seed), site.n_steps, n_actions)


def run(site, setting, actions):
    """Return the observation before each action, and the infos of the steps."""
    env = ChargingEnv(Twin(site), setting)
    seen, infos = [env.reset()[0]], []
    for action in actions:
        observation, _, _, _, info = env.step(action)
        seen.append(observation)
        infos.append(info)
    return seen[:-1], infos


class Plain:
    """The hours ahead of a site, recomputed from its series, observations and results."""

    def __init__(self, site, params, setting):
        self.site, self.params, self.setting = site, params, setting
        self.names = names_of(site, params)
        self.expected, self.store = setting.lookahead.expected, setting.lookahead.store
        self.scale_kw = max(self.expected.load_mean_kw + self.expected.cars_mean_kw)
        level = params.environment.level
        self.rule = setting.lookahead.rule
        assert self.rule.floor_kw == level.floor_share * self.scale_kw
        assert self.rule.mild == Caution(level.mild.load_std, level.mild.pv_error, level.mild.pv_beyond)

    def entry(self, observation, name):
        return float(observation[self.names.index(name)])

    def stored_kwh(self, observation):
        return self.entry(observation, "bess_soc") * self.site.bess.energy_capacity_kwh

    def cars_kw(self, observation):
        rating_kw = sum(charger.max_charging_power_kw for charger in self.site.chargers)
        return self.entry(observation, "fleet_power_needed") * rating_kw

    def z(self, t):
        if t == 0:
            return 0.0
        hour = (t - 1) % 24
        return (self.site.load_kwh[t - 1] - self.expected.load_mean_kw[hour]) / self.expected.load_std_kw[hour]

    def path(self, t, observation, caution):
        hours = range(1, self.params.environment.forecast_hours + 1)
        forecast = [self.entry(observation, f"pv_forecast_{k}") for k in hours]
        reference_kw = max(
            self.site.pv_rated_power_kwp, sum(charger.max_charging_power_kw for charger in self.site.chargers)
        )
        error_std = self.params.environment.forecast_error_std
        return plain_night.path_of(
            self.expected, caution, t % 24, self.z(t), [value * reference_kw for value in forecast], error_std
        )

    def level(self, t, observation, caution):
        path = self.path(t, observation, caution)
        return plain_night.level_of(self.store, self.stored_kwh(observation), path, self.cars_kw(observation))

    def target(self, t, observation, peak_kw):
        paths = [self.path(t, observation, caution) for caution in (self.rule.mild, self.rule.cautious)]
        stored, cars_kw = self.stored_kwh(observation), self.cars_kw(observation)
        return plain_night.target_of(self.rule, self.store, stored, peak_kw, paths, cars_kw)

    def entries(self, t, observation, peak_kw):
        """Return the entries of what lies ahead, by name."""
        site, expected, capacity_kwh = self.site, self.expected, self.store.capacity_kwh
        hours = plain_night.hours_left(expected, t % 24)
        ahead = site.price_usd_per_kwh[t : t + hours]
        reach = t % 24 + self.params.environment.forecast_hours
        stored, cars_kw = self.stored_kwh(observation), self.cars_kw(observation)
        usable = capacity_kwh - self.store.min_kwh
        found = {
            "month_elapsed": (t - SECOND_MONTH if t >= SECOND_MONTH else t) / (31 * 24),
            "load_residual": np.clip(self.z(t) / 4.0, -1.0, 1.0),
            "time_to_refill": hours / 24,
            "price_ahead": ahead.mean() / site.price_usd_per_kwh.max(),
            "pv_ahead": sum(expected.pv_mean_kw[h] for h in range(reach, 24)) / expected.pv_mean_kw.sum(),
            "bess_usable": (stored - self.store.min_kwh) / usable,
            "month_peak_level": min(1.0, peak_kw / self.scale_kw),
            "level_target": min(1.0, self.target(t, observation, peak_kw) / self.scale_kw),
        }
        for suffix, load_std in (("", 0.0), ("_careful", 1.0)):
            caution = Caution(load_std, 0.0, 1.0)
            path = self.path(t, observation, caution)
            short = plain_night.short_of(self.store, stored, path, cars_kw, 0.0, 0.0)
            found[f"shortage{suffix}"] = min(1.0, short / usable)
            found[f"level{suffix}"] = min(1.0, self.level(t, observation, caution) / self.scale_kw)
        return found


def peaks_before(infos):
    """Return the highest import of the month before each step."""
    peak, found = 0.0, []
    for t, info in enumerate(infos):
        peak = 0.0 if t == SECOND_MONTH else peak
        found.append(peak)
        peak = max(peak, info["result"]["net_kwh"])
    return found


@pytest.mark.parametrize("seed", [4, 5])
def test_the_entries_equal_a_plain_recomputation(params, seed):
    site = dispatched_site(seed)
    setting = setting_of(site, params, expectations=EXPECTED)
    plain = Plain(site, params, setting)
    seen, infos = run(site, setting, actions_for(site))
    for t, (observation, peak_kw) in enumerate(zip(seen, peaks_before(infos), strict=True)):
        expected = plain.entries(t, observation, peak_kw)
        assert set(expected) == set(LOOKAHEAD_FEATURES)
        for name, value in expected.items():
            assert plain.entry(observation, name) == pytest.approx(value, abs=2e-4), (t, name)


def test_names_and_places(params):
    site = dispatched_site()
    names = names_of(site, params)
    first = names.index("month_peak") + 1
    assert tuple(names[first : first + len(LOOKAHEAD_FEATURES)]) == LOOKAHEAD_FEATURES
    assert names[first + len(LOOKAHEAD_FEATURES)] == "charger_001_connected"
    observation_space, _ = make_spaces(setting_of(site, params))
    negative = {name for name, low in zip(names, observation_space.low, strict=True) if low < 0.0}
    assert negative == {"hour_sin", "hour_cos", "price", "load_residual", "price_ahead"}


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), charge=st.sampled_from([0.0, 10.0]))
def test_observations_keep_their_bounds(params, seed, charge):
    site = with_demand_charge(small_site(seed, bess="agent"), charge)
    setting = setting_of(site, params, expectations=EXPECTED)
    observation_space, _ = make_spaces(setting)
    seen, _ = run(site, setting, actions_for(site, seed))
    assert all(observation_space.contains(observation) for observation in seen)


@pytest.mark.parametrize("kind", ["automatic", "none"])
def test_without_a_battery_under_the_agent_the_observation_says_nothing_of_it(params, kind):
    site = with_demand_charge(small_site(4, bess=kind))
    assert not set(LOOKAHEAD_FEATURES) & set(names_of(site, params))
    runs = [
        run(site, setting_of(site, params, expectations=expected), actions_for(site))[0]
        for expected in (None, EXPECTED)
    ]
    np.testing.assert_array_equal(*runs)
    assert setting_of(site, params).lookahead.known.size == 0


def test_a_year_by_itself_has_its_own_lookahead(params):
    sites = [with_demand_charge(site) for site in years_of(dispatched_site(), 3)]
    sites = [type(site)(**{**vars(site), "bess_dispatch": "agent"}) for site in sites]
    setting = setting_of(sites, params, keys=[3, 4, 5], expectations=EXPECTED)
    alone = setting_of(sites[1], params, keys=[4], expectations=EXPECTED)
    for name in ("hour", "residual", "forecast_kw", "path_kwh", "known"):
        np.testing.assert_array_equal(
            getattr(single_year(setting, 1).lookahead, name), getattr(alone.lookahead, name), strict=True
        )


def test_other_constants_of_the_rule_are_those_of_a_setting_made_with_them(params):
    constants = LevelParams(
        floor_share=0.2,
        peak_share=0.9,
        mild=CautionParams(load_std=0.5, pv_error=1.0, pv_beyond=0.5),
        cautious=CautionParams(load_std=1.5, pv_error=2.0, pv_beyond=0.25),
    )
    site = dispatched_site()
    changed = with_level(setting_of(site, params, expectations=EXPECTED).lookahead, constants)
    made = setting_of(site, params, expectations=EXPECTED, level=constants).lookahead
    np.testing.assert_array_equal(changed.path_kwh, made.path_kwh)
    assert changed.rule == made.rule


@pytest.mark.parametrize("mapping", BESS_MAPPINGS)
def test_a_batterys_entry_means_what_the_table_says(params, mapping):
    site = dispatched_site()
    setting = setting_of(site, params, "three_segment", bess_mapping=mapping, expectations=EXPECTED)
    plain, actions = Plain(site, params, setting), actions_for(site)
    seen, infos = run(site, setting, actions)
    for t, (observation, info, peak_kw) in enumerate(zip(seen, infos, peaks_before(infos), strict=True)):
        deficit = site.load_kwh[t] - site.pv_kwh[t] + sum(info["result"]["charger_kwh"])
        v, power_kw = float(actions[t, -1]), site.bess.nominal_power_kw
        if mapping == "greedy_offset":
            share = np.clip(-deficit / power_kw, -1.0, 1.0) + 2.0 * v * abs(v)
        else:
            if mapping == "import_target":
                target = plain.scale_kw * (v + 1.0) / 2.0
            else:
                careful = Caution(1.0, 0.0, 1.0)
                level = (
                    plain.level(t, observation, careful)
                    if mapping == "level_offset"
                    else plain.target(t, observation, peak_kw)
                )
                target = max(0.0, level + plain.scale_kw / 4.0 * v * abs(v))
            share = (target - deficit) / power_kw
        assert info["bess_action"] == pytest.approx(np.clip(share, -1.0, 1.0), abs=5e-4), t


@pytest.mark.parametrize("mapping", BESS_MAPPINGS)
def test_the_gym_face_equals_the_vectorised_one_bit_for_bit(params, mapping):
    site = dispatched_site()
    setting = setting_of(site, params, "three_segment", bess_mapping=mapping, expectations=EXPECTED)
    vec, env = ChargingVecEnv(setting, 1, seed=0), ChargingEnv(Twin(site), setting)
    vec.reset()
    done = [False]
    while not done[0]:  # the year after the first begins at its start
        observation, _, done, _ = vec.step(np.zeros((1, site.n_chargers + 1), np.float32))
    np.testing.assert_array_equal(observation[0], env.reset()[0])
    for t, action in enumerate(actions_for(site)[:-1]):
        observation, _, _, _ = vec.step(action[None])
        expected, reward, _, _, info = env.step(action)
        np.testing.assert_array_equal(observation[0], expected, err_msg=f"step {t}", strict=True)
        assert vec.outputs.reward[0] == reward
        assert vec.outputs.bess_action[0] == info["bess_action"]
        assert vec.state.net_kwh[0] == info["result"]["net_kwh"]


def test_an_unknown_meaning_of_the_batterys_entry_is_refused(params):
    with pytest.raises(ValueError, match="bess_mapping is 'level'; valid are greedy_offset, import_target, level_off"):
        setting_of(dispatched_site(), params, bess_mapping="level")
