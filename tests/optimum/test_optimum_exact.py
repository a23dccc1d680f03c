from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from iquitos_citylearn.optimum.fleet import RIGID, charger_plan, earliest_plan, make_fleet, rigid_kwh, sum_by
from iquitos_citylearn.optimum.objectives import OBJECTIVES
from iquitos_citylearn.optimum.optimiser import Optimiser
from iquitos_citylearn.optimum.program import Program
from tests.small import bess, hand_site, small_site, with_demand_charge, year_of

FEW = settings(max_examples=40, deadline=None)
SOME = settings(max_examples=15, deadline=None)
N_TINY = 5
LIMITS = (2, 4)  # kWh an hour of the two chargers of hand_site; both take 8 kWh from empty to full
CARBON = (0.25, 0.5, 1.0)


@st.composite
def tiny_sites(draw, battery_of=None):
    """Two chargers, five hours, whole kWh everywhere: a network, whose optimum is then one of whole kWh too."""
    whole = st.lists(st.integers(0, 12), min_size=N_TINY, max_size=N_TINY)
    sessions = []
    for charger in range(2):
        arrival = draw(st.integers(0, N_TINY - 1))
        departure = draw(st.integers(arrival + 1, N_TINY))
        arrival_soc, required_soc = draw(st.integers(0, 8)) / 8, draw(st.integers(0, 8)) / 8
        sessions.append((charger, arrival, departure, arrival_soc, required_soc))
    carbon = np.array(draw(st.lists(st.sampled_from(CARBON), min_size=N_TINY, max_size=N_TINY)))
    battery = None
    if battery_of is not None:
        battery = battery_of(draw(st.sampled_from((4, 8))), draw(st.integers(1, 6)), draw(st.integers(0, 4)) / 4)
    return hand_site(
        sessions,
        n_steps=N_TINY,
        load_kwh=np.array(draw(whole)),
        pv_kwh=np.array(draw(whole)),
        carbon=carbon,
        price=carbon / 2,
        battery=battery,
    )


def whole_plans(site):
    """Yield the cars' energy per hour, shape (5,), of every way to charge both to their target in whole kWh."""
    per_car = []
    for charger, limit in enumerate(LIMITS):
        arrival, departure = int(site.sessions.arrival_step[charger]), int(site.sessions.departure_step[charger])
        soc = site.sessions.required_soc[charger] - site.sessions.arrival_soc[charger]
        need = min(max(round(8 * soc), 0), limit * (departure - arrival))
        ways = product(range(limit + 1), repeat=departure - arrival)
        padded = [(0,) * arrival + way + (0,) * (N_TINY - departure) for way in ways if sum(way) == need]
        per_car.append(padded)
    for plans in product(*per_car):
        yield np.sum(plans, axis=0)


def greedy_import(site, cars_kwh):
    """Return the imports when the battery takes every surplus and covers every deficit, hour by hour."""
    stored = root = power = capacity = 0.0
    if site.bess is not None:
        capacity, power = site.bess.energy_capacity_kwh, site.bess.nominal_power_kw
        stored, root = site.bess.initial_soc * capacity, site.bess.power_efficiency_curve[1][0] ** 0.5
    imports = []
    for net in site.load_kwh - site.pv_kwh + cars_kwh:
        if net < 0 and root:
            stored += root * min(-net, power, (capacity - stored) / root)
        given = min(net, power, stored * root) if net > 0 and root else 0.0
        stored -= given / root if root else 0.0
        imports.append(max(net, 0) - given)
    return np.array(imports)


def best_dispatch(site, cars_kwh):
    """Return the least CO2 over every dispatch in whole kWh of a lossless battery: shortest path over its energy."""
    net = site.load_kwh - site.pv_kwh + cars_kwh
    capacity, power = int(site.bess.energy_capacity_kwh), int(site.bess.nominal_power_kw)
    best = {int(site.bess.initial_soc * capacity): 0.0}
    for hour in range(N_TINY):
        reached = {}
        for stored, emitted in best.items():
            for change in range(-min(power, stored), min(power, capacity - stored) + 1):
                total = emitted + max(net[hour] + change, 0) * site.carbon_kg_per_kwh[hour]
                reached[stored + change] = min(total, reached.get(stored + change, np.inf))
        best = reached
    return min(best.values())


def optimise(site, params, objective, **changes):
    return Optimiser(year_of(site, params, **changes)).optimum(objective)


def lossless(capacity_kwh, power_kw, initial_soc):
    return bess(capacity_kwh, power_kw, initial_soc, efficiency_round_trip=1.0)


def lossy(capacity_kwh, power_kw, initial_soc):
    return bess(capacity_kwh, power_kw, initial_soc, efficiency_round_trip=0.81)


@FEW
@given(site=tiny_sites())
def test_without_battery_it_is_the_best_of_all_plans(params, site):
    imports = [greedy_import(site, cars) for cars in whole_plans(site)]
    least = min(float(site.carbon_kg_per_kwh @ kwh) for kwh in imports)
    for objective, scale in (("co2", 1.0), ("cost", 0.5)):
        optimum = optimise(site, params, objective)
        assert optimum.bound == pytest.approx(scale * least, abs=1e-6)
        assert optimum.replayed == pytest.approx(scale * least, abs=1e-4)
    # A peak may be a fraction; rounded up it is the best of the plans in whole kWh.
    peak = optimise(site, params, "peak_import")
    assert np.ceil(peak.bound - 1e-5) == min(kwh.max() for kwh in imports)
    assert peak.replayed == pytest.approx(peak.bound, abs=1e-4)


@FEW
@given(site=tiny_sites(lossless))
def test_battery_of_the_agent_it_is_the_best_of_all_plans_and_dispatches(params, site):
    least = min(best_dispatch(site, cars) for cars in whole_plans(site))
    assert optimise(replace(site, bess_dispatch="agent"), params, "co2").bound == pytest.approx(least, abs=1e-6)


@FEW
@given(site=tiny_sites(lossless))
def test_automatic_battery_no_plan_is_below_the_bound(params, site):
    values = [float(site.carbon_kg_per_kwh @ greedy_import(site, cars)) for cars in whole_plans(site)]
    optimum = optimise(site, params, "co2")
    assert optimum.bound <= min(values) + 1e-6
    assert optimum.replayed >= optimum.bound - 1e-4


@FEW
@given(site=tiny_sites(lossy))
def test_automatic_battery_reaches_the_bound_when_the_intensity_is_flat(params, site):
    flat = replace(site, carbon_kg_per_kwh=np.full(N_TINY, 0.5))
    optimum = optimise(flat, params, "co2")
    assert optimum.replayed == pytest.approx(optimum.bound, abs=1e-4)
    assert optimum.replayed <= min(0.5 * greedy_import(flat, cars).sum() for cars in whole_plans(flat)) + 1e-4


@SOME
@given(seed=st.integers(0, 10_000), objective=st.sampled_from(sorted(OBJECTIVES)))
def test_groups_lose_nothing_against_a_program_over_single_sessions(params, seed, objective):
    site = small_site(seed, n_chargers=6, n_steps=30, bess="none")
    year = year_of(site, params)
    prices = OBJECTIVES[objective].prices(year)
    fleet = make_fleet(year)
    hours = site.sessions.departure_step - site.sessions.arrival_step
    member = np.repeat(np.arange(len(hours)), hours)
    step = np.concatenate([np.arange(a, a + n) for a, n in zip(site.sessions.arrival_step, hours, strict=True)])
    n_slots, n = len(step), site.n_steps
    # Variables: energy of each session and hour, import, export, peak.
    balance = np.hstack([-np.eye(n)[:, step], np.eye(n), -np.eye(n), np.zeros((n, 1))])
    need = np.hstack([np.eye(len(hours))[:, member], np.zeros((len(hours), 2 * n + 1))])
    peak = np.hstack([np.zeros((n, n_slots)), np.eye(n), np.zeros((n, n)), -np.ones((n, 1))])
    single = linprog(
        np.concatenate([np.zeros(n_slots), prices.grid_import, prices.grid_export, [prices.peak]]),
        A_ub=peak,
        b_ub=np.zeros(n),
        A_eq=np.vstack([balance, need]),
        b_eq=np.concatenate([year.setting.years.load_kwh[0] - year.setting.years.pv_kwh[0], fleet.need_kwh]),
        bounds=[(0, fleet.limit_kwh[m] * (1 + 1e-9)) for m in member] + [(0, None)] * (2 * n + 1),
    )
    assert single.status == 0
    assert Program(year, fleet).minimise(prices).value == pytest.approx(single.fun + prices.constant, abs=1e-5)


@FEW
@given(site=tiny_sites())
def test_demand_charge_without_battery_it_is_the_best_of_all_plans(params, site):
    # The second month starts in hour 3. With cars of which each has at most one hour to choose from, months' peaks are
    # whole kWh in one of the optimal plans only where shares do not help: the bound may be below, never above.
    priced = with_demand_charge(site, charge_usd_per_kw=2.0, second_month=3)
    costs = []
    for cars in whole_plans(priced):
        kwh = greedy_import(priced, cars)
        costs.append(float(priced.price_usd_per_kwh @ kwh) + 2.0 * (kwh[:3].max() + kwh[3:].max()))
    optimum = optimise(priced, params, "cost")
    assert optimum.bound <= min(costs) + 1e-6
    assert optimum.replayed == pytest.approx(optimum.bound, abs=1e-4)


@SOME
@given(seed=st.integers(0, 10_000))
def test_demand_charge_and_battery_of_the_agent_against_a_program_over_single_sessions(params, seed):
    site = with_demand_charge(small_site(seed, n_chargers=4, n_steps=30, bess="agent"), second_month=12)
    assume(len(site.sessions))
    year, n = year_of(site, params), 30
    fleet = make_fleet(year)
    hours = site.sessions.departure_step - site.sessions.arrival_step
    member = np.repeat(np.arange(len(hours)), hours)
    step = np.concatenate([np.arange(a, a + h) for a, h in zip(site.sessions.arrival_step, hours, strict=True)])
    n_slots, one, none = len(step), np.eye(n), np.zeros((n, n))
    root, capacity = site.bess.power_efficiency_curve[1][0] ** 0.5, site.bess.energy_capacity_kwh
    power = site.bess.nominal_power_kw * site.bess.capacity_power_curve[1][0]
    # Variables: energy of each session and hour; import, export, charge, discharge, stored; two months' peaks.
    balance = np.hstack([-one[:, step], one, -one, -one, one, none, np.zeros((n, 2))])
    stored = np.hstack(
        [np.zeros((n, n_slots)), none, none, -root * one, one / root, one - np.eye(n, k=-1), np.zeros((n, 2))]
    )
    need = np.hstack([np.eye(len(hours))[:, member], np.zeros((len(hours), 5 * n + 2))])
    in_month = np.stack([np.arange(n) < 12, np.arange(n) >= 12], axis=1).astype(float)
    start = np.zeros(n)
    start[0] = year.setting.equipment.bess[0]["initial_soc"] * capacity
    single = linprog(
        np.concatenate([np.zeros(n_slots), year.setting.years.price_usd_per_kwh[0], np.zeros(4 * n), [10.0, 10.0]]),
        A_ub=np.hstack([np.zeros((n, n_slots)), one, none, none, none, none, -in_month]),
        b_ub=np.zeros(n),
        A_eq=np.vstack([balance, stored, need]),
        b_eq=np.concatenate([year.setting.years.load_kwh[0] - year.setting.years.pv_kwh[0], start, fleet.need_kwh]),
        bounds=[(0, fleet.limit_kwh[m] * (1 + 1e-9)) for m in member]
        + [(0, None)] * (2 * n)
        + [(0, power)] * (2 * n)
        + [(0, capacity)] * n
        + [(0, None)] * 2,
    )
    assert single.status == 0
    optimum = Optimiser(year).optimum("cost")
    assert optimum.bound == pytest.approx(single.fun, abs=1e-4)
    assert optimum.replayed == pytest.approx(optimum.bound, abs=2e-3)


@SOME
@given(seed=st.integers(0, 10_000))
def test_reward_of_the_agents_battery_is_reached_by_its_plan(params, seed):
    site = with_demand_charge(small_site(seed, n_chargers=4, n_steps=30, bess="agent"), second_month=12)
    assume(len(site.sessions))
    optimum = optimise(site, params, "reward")
    assert optimum.replayed >= optimum.bound - 1e-3


@SOME
@given(seed=st.integers(0, 10_000))
def test_energy_of_groups_is_divided_within_every_limit(params, seed):
    rng = np.random.default_rng(seed)
    site = small_site(seed, n_chargers=40, n_steps=24, longest_stay=5)
    same = replace(site, chargers=(site.chargers[0],) * 20 + (site.chargers[1],) * 20)
    year = year_of(same, params)
    fleet, shape = make_fleet(year), (24, 40)
    # Any division that cars can charge: each goes through its hours in an order of its own, at full power to its need.
    slot_kwh = np.zeros(len(fleet.slot_step))
    for session in np.flatnonzero(fleet.group != RIGID):
        left, group = fleet.need_kwh[session], fleet.group[session]
        for hour in rng.permutation(fleet.group_hours[group]):
            slot_kwh[fleet.slot_start[group] + hour] += min(left, fleet.limit_kwh[session])
            left -= min(left, fleet.limit_kwh[session])
    plan = charger_plan(fleet, slot_kwh, *shape)
    sessions = fleet.sessions
    for session in range(len(sessions)):
        hours = slice(sessions.arrival_step[session], sessions.departure_step[session])
        kwh = plan[hours, sessions.charger[session]]
        assert kwh.sum() == pytest.approx(fleet.need_kwh[session], abs=1e-6)
        assert kwh.min() >= 0
        assert kwh.max() <= fleet.limit_kwh[session] * (1 + 1e-12)
    total = sum_by(fleet.slot_step, slot_kwh, 24) + rigid_kwh(fleet, 24)
    np.testing.assert_allclose(plan.sum(axis=1), total, atol=1e-6)
    np.testing.assert_allclose(earliest_plan(fleet, *shape).sum(), total.sum(), atol=1e-6)
