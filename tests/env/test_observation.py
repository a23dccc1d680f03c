from dataclasses import replace
from math import cos, pi, sin

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iquitos_citylearn.env.gym import ChargingEnv
from iquitos_citylearn.env.setting import make_spaces
from iquitos_citylearn.env.twin import Twin
from iquitos_citylearn.env.vec_env import ChargingVecEnv
from iquitos_citylearn.site.model import Sessions
from tests.sites import random_site
from tests.small import bess, hand_site, names_of, random_policy_actions, session_at, setting_of, small_site


def observe_year(site, params, actions, **changes):
    """Return the observation before each action, shape (n_steps, n_observations)."""
    env = ChargingEnv(Twin(site), setting_of(site, params, **changes))
    return np.array([env.reset()[0], *(env.step(action)[0] for action in actions[:-1])])


def named(site, params, observation):
    names = names_of(site, params)
    assert len(names) == len(observation)
    return dict(zip(names, observation.tolist(), strict=True))


def test_names_and_count(params):
    assert names_of(hand_site([]), params, forecast_hours=2) == [
        "hour_sin",
        "hour_cos",
        "price",
        "carbon_intensity",
        "pv_last",
        "load_last",
        "bess_soc",
        "occupancy",
        "fleet_power_needed",
        "pv_forecast_1",
        "pv_forecast_2",
        "charger_001_connected",
        "charger_001_energy_needed",
        "charger_001_energy_to_full",
        "charger_001_time_to_departure",
        "charger_002_connected",
        "charger_002_energy_needed",
        "charger_002_energy_to_full",
        "charger_002_time_to_departure",
    ]


def test_the_space_fits_the_names(params):
    site = small_site()
    observation_space, action_space = make_spaces(setting_of(site, params))
    n_names = len(names_of(site, params))
    assert observation_space.shape == (n_names,) == (9 + params.environment.forecast_hours + 4 * 3,)
    assert observation_space.low[:3].tolist() == [-1.0, -1.0, -1.0]
    assert (observation_space.low[3:] == 0.0).all()
    assert (observation_space.high == 1.0).all()
    assert action_space.shape == (3,)
    assert (action_space.low.min(), action_space.high.max()) == (-1.0, 1.0)


def test_a_hand_made_morning(params):
    # 2 kW and 4 kW at 0.5 into 4 kWh: an hour is 0.25 and 0.5 of the SOC. Reference power: 10 kWp. Horizons 2 h, 12 h.
    site = hand_site(
        [(0, 6, 12, 0.25, 0.625)], pv_kwh=[float(h % 24) for h in range(48)], load_kwh=3.0, price=[0.1] * 47 + [0.2],
        carbon=[0.2] * 47 + [0.4], battery=bess(initial_soc=0.75),
    )  # fmt: skip
    idle = np.full((8, 2), -1.0, np.float32)
    seen = named(site, params, observe_year(site, params, idle, forecast_error_std=0.0)[6])
    expected = {
        "hour_sin": 1.0,  # 6 h: a quarter of the circle
        "hour_cos": 0.0,
        "price": 0.5,  # 0.1 of at most 0.2
        "carbon_intensity": 0.5,
        "pv_last": 0.5,  # hour 5: 5 kWh of 10
        "load_last": 0.3,
        "occupancy": 0.5,  # one of two
        "fleet_power_needed": 2 / 6,  # 1.5 h needed: the whole 2 kW, of 6 kW
        "pv_forecast_1": 0.6,  # hour 6
        "pv_forecast_5": 1.0,
        "pv_forecast_6": 1.0,  # 11 kWh of 10: clipped
        "charger_001_connected": 1.0,
        "charger_001_energy_needed": 0.75,  # (0.625 - 0.25) / 0.25 = 1.5 h of 2 h
        "charger_001_energy_to_full": 1.0,  # 3 h of 2 h: clipped
        "charger_001_time_to_departure": 0.5,  # 6 of 12 h
        "charger_002_connected": 0.0,
        "charger_002_energy_needed": 0.0,
        "charger_002_energy_to_full": 0.0,
        "charger_002_time_to_departure": 0.0,
    }
    assert {name: seen[name] for name in expected} == pytest.approx(expected, abs=1e-6)


def test_the_first_observation_has_no_meter_reading(params):
    site = hand_site([(0, 0, 3, 0.25, 0.5)], load_kwh=3.0, pv_kwh=5.0)
    seen = named(site, params, observe_year(site, params, np.zeros((2, 2), np.float32))[0])
    assert (seen["pv_last"], seen["load_last"], seen["carbon_intensity"]) == (0.0, 0.0, 0.0)
    assert (seen["price"], seen["charger_001_connected"], seen["bess_soc"]) == (1.0, 1.0, 0.0)


@pytest.mark.parametrize("bess_kind", ["automatic", "none"])
def test_every_entry_of_every_step_recomputed(params, bess_kind):
    site = small_site(11, bess=bess_kind)
    actions = random_policy_actions(np.random.default_rng(0), site.n_steps, site.n_chargers)
    setting = setting_of(site, params, forecast_error_std=0.0)
    env, twin = ChargingEnv(Twin(site), setting), Twin(site)
    observation, _ = env.reset()
    session = session_at(site)
    for t in range(site.n_steps):
        np.testing.assert_allclose(observation, plain_observation(site, params, twin, session, t), atol=1e-6)
        observation, _, _, _, info = env.step(actions[t])
        twin.step(info["charger_action"])


def plain_observation(site, params, twin, session, t):
    """Return the observation of the table in `env/observation.py` for a forecast without error."""
    environment = params.environment
    reference = max(site.pv_rated_power_kwp, sum(c.max_charging_power_kw for c in site.chargers))
    hour = int(site.hour[t]) - 1
    chargers, power_needed, occupied = [], 0.0, 0
    for index, charger in enumerate(site.chargers):
        which = session(t, index)
        if which is None:
            chargers += [0.0] * 4
            continue
        occupied += 1
        kwh_per_hour = charger.max_charging_power_kw * charger.efficiency
        soc = float(twin.ev_soc[index])
        needed = max(0.0, site.sessions.required_soc[which] - soc) * charger.ev.energy_capacity_kwh / kwh_per_hour
        to_full = (1.0 - soc) * charger.ev.energy_capacity_kwh / kwh_per_hour
        power_needed += charger.max_charging_power_kw * min(1.0, needed)
        left = int(site.sessions.departure_step[which]) - t
        chargers += [
            1.0,
            min(1.0, needed / environment.energy_horizon_hours),
            min(1.0, to_full / environment.energy_horizon_hours),
            min(1.0, left / environment.departure_horizon_hours),
        ]
    ahead = [t + k if t + k < site.n_steps else t + k - 24 for k in range(environment.forecast_hours)]
    site_part = [
        sin(2 * pi * hour / 24),
        cos(2 * pi * hour / 24),
        site.price_usd_per_kwh[t] / max(site.price_usd_per_kwh),
        site.carbon_kg_per_kwh[t - 1] / max(site.carbon_kg_per_kwh) if t else 0.0,
        min(1.0, site.pv_kwh[t - 1] / reference) if t else 0.0,
        min(1.0, site.load_kwh[t - 1] / reference) if t else 0.0,
        twin.bess_soc,
        occupied / site.n_chargers,
        power_needed / sum(c.max_charging_power_kw for c in site.chargers),
        *(min(1.0, site.pv_kwh[step] / reference) for step in ahead),
    ]
    return np.array(site_part + chargers)


def changed_after(site, t, rng):
    """Return the site with another future: series after step t, sessions that have not arrived by then.

    Metered series end with hour t - 1; the tariff of hour t is known. The highest tariff and intensity, which scale
    their entries, stay.
    """

    def series(values, first):
        other = values.copy()
        other[first:] = rng.permutation(values[first:]) * rng.uniform(0.1, 1.0, len(values) - first)
        highest = int(np.argmax(values))
        other[highest] = values[highest]
        return other.astype(np.float32).astype(np.float64)

    s = site.sessions
    kept = s.arrival_step <= t
    moved = Sessions(
        charger=s.charger[kept],
        arrival_step=s.arrival_step[kept],
        departure_step=s.departure_step[kept],
        arrival_soc=s.arrival_soc[kept],
        required_soc=s.required_soc[kept],
    )
    return replace(
        site,
        load_kwh=series(site.load_kwh, t),
        pv_kwh=series(site.pv_kwh, t),
        price_usd_per_kwh=series(site.price_usd_per_kwh, t + 1),
        carbon_kg_per_kwh=series(site.carbon_kg_per_kwh, t),
        sessions=moved,
    )


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**32 - 1))
def test_nothing_but_the_forecast_shows_the_future(params, seed):
    rng = np.random.default_rng(seed)
    site = random_site(rng, 2, 40)
    t = int(rng.integers(0, site.n_steps))
    actions = random_policy_actions(rng, t + 1, 2)
    other = changed_after(site, t, rng)
    seen, seen_otherwise = observe_year(site, params, actions), observe_year(other, params, actions)
    forecast = slice(9, 9 + params.environment.forecast_hours)
    np.testing.assert_array_equal(np.delete(seen, forecast, axis=1), np.delete(seen_otherwise, forecast, axis=1))
    if t < site.n_steps - 10 and site.pv_kwh[t : t + 5].max() > 0.0:
        assert (seen[-1, forecast] != seen_otherwise[-1, forecast]).any()


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), bess_kind=st.sampled_from(["automatic", "none"]), plain=st.booleans())
def test_random_sites_stay_inside_the_box(params, seed, bess_kind, plain):
    rng = np.random.default_rng(seed)
    site = random_site(rng, 2, 48, bess=bess_kind, plain=plain)
    site = replace(site, price_usd_per_kwh=site.price_usd_per_kwh - rng.uniform(0.0, 0.6))  # also negative tariffs
    setting = setting_of(site, params, forecast_error_std=1.0)
    assert_inside(setting, 1, 49, rng)


def test_a_full_year_of_128_chargers_stays_inside_the_box(params):
    site = small_site(2, n_chargers=128, n_steps=8760, busy_share=1.0, longest_stay=14)
    assert_inside(setting_of(site, params), 2, 8761, np.random.default_rng(1))


def assert_inside(setting, n_envs, n_steps, rng):
    env = ChargingVecEnv(setting, n_envs, seed=0)
    low, high = env.observation_space.low, env.observation_space.high
    observation = env.reset()
    for _ in range(n_steps):
        assert (observation >= low).all()
        assert (observation <= high).all()
        assert np.isfinite(observation).all()
        actions = random_policy_actions(rng, n_envs, env.action_space.shape[0])
        observation, _, dones, infos = env.step(actions)
        if dones[0]:
            ended = infos[0]["terminal_observation"]
            assert env.observation_space.contains(ended)
