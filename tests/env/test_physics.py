from dataclasses import replace

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iquitos_citylearn.env.arrays import session_rows
from iquitos_citylearn.env.battery import charge_battery, idle_battery, make_batteries, rest_battery
from iquitos_citylearn.env.physics import (
    advance_env,
    apply_actions_env,
    make_equipment,
    make_state,
    make_years,
    reset_env,
    step_env,
)
from iquitos_citylearn.env.twin import Twin
from iquitos_citylearn.site.model import Battery, Sessions, flat_efficiency
from tests.sites import random_site


def battery(**changes):
    values = {
        "energy_capacity_kwh": 10.0,
        "nominal_power_kw": 4.0,
        "initial_soc": 0.5,
        "depth_of_discharge": 0.75,
        "power_efficiency_curve": flat_efficiency(0.81),
    }
    return Battery(**(values | changes))


def record(**changes):
    return make_batteries([battery(**changes)], ["it"])[0]


# One-way efficiency is 0.9 (its square is 0.81); capacity 10 kWh, 4 kW, lowest SOC 0.25.
@pytest.mark.parametrize(
    ("soc", "request_kwh", "soc_after", "balance_kwh"),
    [
        (0.5, 2.0, 0.68, 2.0),  # 5 + 2 x 0.9 = 6.8 kWh
        (0.5, 9.0, 0.86, 4.0),  # the power limit: 5 + 4 x 0.9 = 8.6 kWh
        (0.9, 9.0, 1.0, 1.0 / 0.9),  # full: 1 kWh of room takes 1 / 0.9
        (0.5, -1.8, 0.3, -1.8),  # 5 - 1.8 / 0.9 = 3 kWh
        (0.5, -9.0, 0.25, -2.25),  # empty: (5 - 2.5) x 0.9 = 2.25 kWh
        (0.9, -9.0, 0.9 - 4 / 9, -4.0),  # the power limit: 9 - 4 / 0.9 kWh
        (0.5, 0.0, 0.5, 0.0),
        (0.1, 0.0, 0.25, 0.0),  # below the lowest: lifted to it, as CityLearn does
    ],
)
def test_battery_by_hand(soc, request_kwh, soc_after, balance_kwh):
    after, capacity, balance = charge_battery(record(), float(np.float32(soc)), 10.0, request_kwh)
    assert after == pytest.approx(soc_after, rel=1e-6)
    assert balance == pytest.approx(balance_kwh, rel=1e-6)
    assert capacity == 10.0


def test_fade_takes_capacity_by_energy():
    # 0.01 x 10 kWh x 2 kWh / (2 x 10 kWh) = 0.01 kWh of fade
    _, capacity, _ = charge_battery(record(capacity_loss_coefficient=0.01), 0.5, 10.0, 2.0)
    assert capacity == pytest.approx(9.99)


def test_standing_loss_stops_at_the_lowest_soc():
    leaking = record(loss_coefficient=0.1)
    assert rest_battery(leaking, 0.5) == pytest.approx(0.45)
    assert rest_battery(leaking, 0.26) == 0.25


def test_curves_limit_power_and_efficiency():
    # At SOC 0.75 half of 4 kW is available; at half power the round trip is 0.64, one way 0.8: 7.5 + 2 x 0.8 kWh.
    curved = record(
        capacity_power_curve=((0.0, 0.5, 1.0), (1.0, 1.0, 0.0)),
        power_efficiency_curve=((0.0, 0.5, 1.0), (1.0, 0.64, 0.49)),
    )
    after, _, balance = charge_battery(curved, 0.75, 10.0, 3.0)
    assert (after, balance) == (pytest.approx(0.91), pytest.approx(2.0))


unit = st.floats(0.0, 1.0, width=32)


@settings(deadline=None)
@given(
    soc=unit,
    request_kwh=st.floats(-30.0, 30.0),
    capacity_kwh=st.floats(0.1, 5000.0),
    efficiency=st.floats(0.3, 1.0),
    depth=unit,
    degraded=st.floats(0.5, 1.0),
)
def test_flat_battery_equals_the_general_one(soc, request_kwh, capacity_kwh, efficiency, depth, degraded):
    flat = record(
        energy_capacity_kwh=capacity_kwh,
        power_efficiency_curve=flat_efficiency(efficiency),
        depth_of_discharge=depth,
        initial_soc=1.0,
        capacity_loss_coefficient=1e-3,
    )
    general = flat.copy()
    general["is_flat"] = False
    arguments = (float(soc), degraded * capacity_kwh, request_kwh)
    assert charge_battery(flat, *arguments) == charge_battery(general, *arguments)
    idle, _, balance = charge_battery(general, float(soc), degraded * capacity_kwh, 0.0)
    assert idle_battery(flat, float(soc)) == idle
    assert balance == 0.0


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), bess=st.sampled_from(["automatic", "agent", "none"]))
def test_balance_and_bounds(seed, bess):
    rng = np.random.default_rng(seed)
    site = random_site(rng, 3, 60, bess=bess)
    twin = Twin(site)
    lowest = 0.0 if site.bess is None else 1.0 - site.bess.depth_of_discharge
    rating = np.array([charger.max_charging_power_kw for charger in site.chargers])
    capacity = np.array([charger.ev.energy_capacity_kwh for charger in site.chargers])
    efficiency = np.array([charger.efficiency for charger in site.chargers])
    for step in range(site.n_steps):
        before = twin.ev_soc
        result = twin.step(rng.random(3), rng.uniform(-1, 1) if bess == "agent" else 0.0)
        total = site.load_kwh[step] - site.pv_kwh[step] + result.bess_kwh + result.charger_kwh.sum()
        assert result.net_kwh == pytest.approx(total, abs=1e-4)
        assert lowest - 1e-6 <= result.bess_soc <= 1.0
        assert ((result.ev_soc >= 0.0) & (result.ev_soc <= 1.0)).all()
        assert (result.charger_kwh <= rating * (1 + 1e-6)).all()
        stored = np.maximum(result.ev_soc - before, 0.0) * capacity
        lifted = before < [1.0 - charger.ev.depth_of_discharge for charger in site.chargers]
        assert (lifted | (stored <= result.charger_kwh * efficiency + 1e-5)).all()


def test_automatic_battery_takes_surplus_and_covers_deficit():
    site = random_site(np.random.default_rng(0), 1, 24, plain=True)
    bess = battery(energy_capacity_kwh=1000.0, nominal_power_kw=500.0, power_efficiency_curve=flat_efficiency(1.0))
    none = np.zeros(0, dtype=np.int64)
    nobody = Sessions(
        charger=none, arrival_step=none, departure_step=none, arrival_soc=np.zeros(0), required_soc=np.zeros(0)
    )
    load, pv = np.full(24, 100.0), np.where(np.arange(24) < 12, 150.0, 0.0)
    twin = Twin(replace(site, bess=bess, load_kwh=load, pv_kwh=pv, sessions=nobody))
    results = [twin.step(np.zeros(1)) for _ in range(24)]
    # 500 kWh of room take the surplus of 50 kWh in 10 hours; then 2 hours export it. (The SOC is a float32.)
    assert [result.net_kwh for result in results[:12]] == pytest.approx([0.0] * 10 + [-50.0] * 2, abs=1e-3)
    # 1000 - 250 = 750 kWh cover 100 kWh in 7 hours and half of the eighth.
    assert [result.net_kwh for result in results[12:]] == pytest.approx([0.0] * 7 + [50.0] + [100.0] * 4, abs=1e-3)


@numba.njit
def run_batch(equipment, years, state, actions):
    for step in range(actions.shape[1]):
        for e in range(actions.shape[0]):
            step_env(equipment, years, state, e, actions[e, step], 0.0)


def test_sessions_stand_in_order_of_arrival_and_are_found_by_those_of_the_site():
    site = random_site(np.random.default_rng(1), 5, 96)
    years, sessions = make_years([site]), site.sessions
    assert (np.diff(sessions.arrival_step) < 0).any()
    assert (np.diff(years.session_arrival_step[0]) >= 0).all()
    row = session_rows(years, 0, sessions)
    assert sorted(row) == list(range(len(sessions)))
    for name in ("arrival_step", "departure_step", "required_soc"):
        np.testing.assert_array_equal(getattr(years, f"session_{name}")[0, row], getattr(sessions, name))


def test_batch_over_years_equals_single_runs():
    rng = np.random.default_rng(4)
    first = random_site(rng, 3, 48)
    other = random_site(rng, 3, 48)
    sites = [first, replace(other, chargers=first.chargers, bess=first.bess)]
    equipment, years = make_equipment(first), make_years(sites)
    state = make_state(5, 3)
    actions = rng.random((5, 48, 3)).astype(np.float32)
    for e in range(5):
        reset_env(equipment, years, state, e, e % 2)
    run_batch(equipment, years, state, actions)
    for e in range(5):
        twin = Twin(sites[e % 2])
        results = [twin.step(action) for action in actions[e]]
        assert state.net_kwh[e] == results[-1].net_kwh
        assert state.bess_soc[e] == results[-1].bess_soc
        np.testing.assert_array_equal(state.charger_kwh[e], results[-1].charger_kwh)


def test_state_between_action_and_advance():
    site = random_site(np.random.default_rng(2), 2, 48, busy_share=1.0)
    equipment, years = make_equipment(site), make_years([site])
    state = make_state(1, 2)
    reset_env(equipment, years, state, 0, 0)
    for step in range(48):
        connected = years.session_of[0, step] >= 0
        assert ((state.ev_soc[0] > 0.0) <= connected).all()
        apply_actions_env(equipment, years, state, 0, np.ones(2), 0.0)
        assert state.time_step[0] == step
        assert ((state.charger_kwh[0] > 0.0) <= connected).all()
        advance_env(equipment, years, state, 0)
        assert state.time_step[0] == step + 1
        for session in np.flatnonzero(site.sessions.arrival_step == step + 1):
            assert state.ev_soc[0, site.sessions.charger[session]] == np.float32(site.sessions.arrival_soc[session])
    assert (state.ev_soc == 0.0).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"energy_capacity_kwh": 0.0}, "battery of it: energy_capacity_kwh is 0.0; it must be at least 1e-06"),
        ({"nominal_power_kw": np.nan}, "nominal_power_kw is nan"),
        ({"initial_soc": 1.2}, "initial_soc is 1.2, outside 0 to 1"),
        ({"depth_of_discharge": -0.1}, "depth_of_discharge is -0.1, outside 0 to 1"),
        ({"capacity_power_curve": ((0.0, 0.9), (1.0, 1.0))}, r"x values \[0.0, 0.9\]; they must rise from 0 to 1"),
        ({"capacity_power_curve": ((0.0,), (1.0,))}, "1 x and 1 y values; it must have 2 to 16 points"),
        ({"power_efficiency_curve": ((0.0, 1.0), (0.0, 1.0))}, r"y values \[0.0, 1.0\], outside 1e-06 to 1"),
    ],
)
def test_battery_out_of_range_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        record(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_charging_power_kw": 0.0}, "charger_001: max_charging_power_kw is 0.0"),
        ({"min_charging_power_kw": 99.0}, "charger_001: min_charging_power_kw is 99.0, outside 0 to"),
        ({"efficiency": 1.1}, "charger_001: efficiency is 1.1, outside"),
    ],
)
def test_charger_out_of_range_is_refused(changes, message):
    site = random_site(np.random.default_rng(0), 2)
    chargers = (replace(site.chargers[0], **changes), site.chargers[1])
    with pytest.raises(ValueError, match=message):
        make_equipment(replace(site, chargers=chargers))


def test_years_that_do_not_fit_are_refused():
    rng = np.random.default_rng(1)
    site = random_site(rng, 2, 48)
    with pytest.raises(ValueError, match="year 1 has 24 steps, year 0 has 48"):
        make_years([site, random_site(rng, 2, 24)])
    with pytest.raises(ValueError, match="year 1 has other equipment than year 0"):
        make_years([site, random_site(rng, 2, 48)])
    with pytest.raises(ValueError, match="year 1 has other equipment than year 0"):
        make_years([none := replace(site, bess=None, bess_dispatch="none"), replace(none, import_limit_kw=5.0)])
    with pytest.raises(ValueError, match="year 0: pv_kwh is nan in row 3; it must be finite"):
        make_years([replace(site, pv_kwh=np.where(np.arange(48) == 3, np.nan, site.pv_kwh))])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([(2, 0, 3, 0.1, 0.9)], "year 0: charger is 2 in session 0; allowed: 0 to 1"),
        ([(0, 5, 5, 0.1, 0.9)], "departure_step is 5 in session 0; allowed: after arrival_step"),
        ([(0, 5, 49, 0.1, 0.9)], "departure_step is 49 in session 0; allowed: at most 48"),
        ([(0, 5, 9, 1.1, 0.9)], "arrival_soc is 1.1 in session 0; allowed: 0 to 1"),
        ([(0, 5, 9, 0.1, np.nan)], "required_soc is nan in session 0; allowed: 0 to 1"),
        (
            [(0, 5, 9, 0.1, 0.9), (0, 9, 12, 0.1, 0.9)],
            "arrival_step is 9 in session 1; allowed: .* with a free row after the session before",
        ),
        ([(1, 5, 9, 0.1, 0.9), (0, 19, 22, 0.1, 0.9)], "arrival_step is 19 in session 1; allowed: sorted by charger"),
    ],
)
def test_sessions_out_of_order_are_refused(rows, message):
    charger, arrival, departure, arrival_soc, required_soc = np.array(rows).T
    sessions = Sessions(
        charger=charger.astype(np.int64),
        arrival_step=arrival.astype(np.int64),
        departure_step=departure.astype(np.int64),
        arrival_soc=arrival_soc,
        required_soc=required_soc,
    )
    with pytest.raises(ValueError, match=message):
        make_years([replace(random_site(np.random.default_rng(0), 2), sessions=sessions)])
