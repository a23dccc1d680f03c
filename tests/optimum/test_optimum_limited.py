"""The optimum under an import limit: least unmet energy first, then the objective."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from iquitos_citylearn.optimum.delivery import feasible_delivery
from iquitos_citylearn.optimum.fleet import charger_plan, make_fleet, session_kwh, sum_by
from iquitos_citylearn.optimum.objectives import OBJECTIVES
from iquitos_citylearn.optimum.optimiser import Optimiser
from iquitos_citylearn.optimum.program import Program
from iquitos_citylearn.policies.rollout import roll_out, trace_year
from iquitos_citylearn.policies.rules import ConstantPolicy
from tests.optimum.test_optimum_exact import LIMITS, N_TINY, lossless, tiny_sites
from tests.small import bess, hand_site, small_site, year_of

FEW = settings(max_examples=30, deadline=None)
SOME = settings(max_examples=10, deadline=None)


def best_within_limit(site):
    """Return least unmet energy, and then least CO2, over all cars' and battery's plans in whole kWh.

    Shortest path over what both cars got and the battery holds; site side, a lossless battery.
    """
    sessions, rows = site.sessions, range(2)
    needs = np.round(8 * np.maximum(sessions.required_soc - sessions.arrival_soc, 0)).astype(int)
    hours = sessions.departure_step - sessions.arrival_step
    needs = np.minimum(needs, hours * np.array(LIMITS))
    capacity = int(site.bess.energy_capacity_kwh) if site.bess else 0
    power = int(site.bess.nominal_power_kw) if site.bess else 0
    best = {(int(site.bess.initial_soc * capacity) if site.bess else 0, 0, 0): 0.0}
    for hour in range(N_TINY):
        base, reached = site.load_kwh[hour] - site.pv_kwh[hour], {}
        here = [sessions.arrival_step[row] <= hour < sessions.departure_step[row] for row in rows]
        most = [LIMITS[row] if here[row] else 0 for row in rows]
        for (stored, *got), emitted in best.items():
            changes = range(-min(power, stored), min(power, capacity - stored) + 1)
            for change, *gives in product(changes, *(range(min(most[r], needs[r] - got[r]) + 1) for r in rows)):
                net = base + change + sum(gives)
                if net > site.import_limit_kw and (sum(gives) > 0 or change > 0):
                    continue
                state = (stored + change, got[0] + gives[0], got[1] + gives[1])
                total = emitted + max(net, 0) * site.carbon_kg_per_kwh[hour]
                reached[state] = min(total, reached.get(state, np.inf))
        best = reached
    return min((needs.sum() - first - second, emitted) for (_, first, second), emitted in best.items())


@FEW
@given(site=tiny_sites(), limit_kw=st.integers(0, 14))
def test_without_battery_it_is_the_best_of_all_plans(params, site, limit_kw):
    site = replace(site, import_limit_kw=float(limit_kw))
    unmet_kwh, co2_kg = best_within_limit(site)
    year = year_of(site, params)
    optimiser = Optimiser(year)
    optimum = optimiser.optimum("co2")
    assert optimiser.program.unmet_kwh == pytest.approx(unmet_kwh, abs=1e-5)
    assert optimum.bound == pytest.approx(co2_kg, abs=1e-5)
    assert optimum.replayed == pytest.approx(co2_kg, abs=1e-4)


@SOME
@given(site=tiny_sites(lossless), more_kw=st.integers(0, 6))
def test_battery_of_the_agent_it_is_the_best_of_all_plans_and_dispatches(params, site, more_kw):
    limit_kw = float(max((site.load_kwh - site.pv_kwh).max(), 0.0) + more_kw)
    site = replace(site, bess_dispatch="agent", import_limit_kw=limit_kw)
    unmet_kwh, co2_kg = best_within_limit(site)
    optimiser = Optimiser(year_of(site, params))
    assert optimiser.program.unmet_kwh == pytest.approx(unmet_kwh, abs=1e-5)
    assert optimiser.optimum("co2").bound == pytest.approx(co2_kg, abs=1e-5)


@SOME
@given(
    seed=st.integers(0, 10_000), limit_kw=st.floats(0, 60), objective=st.sampled_from(["co2", "cost", "peak_import"])
)
def test_plan_stays_within_the_limit_when_replayed_and_delivers_what_is_feasible(params, seed, limit_kw, objective):
    site = replace(small_site(seed, n_chargers=6, bess="none"), import_limit_kw=limit_kw)
    year = year_of(site, params)
    optimiser = Optimiser(year)
    optimum = optimiser.optimum(objective)
    rollout, trace = trace_year(optimum.policy, year)
    np.testing.assert_allclose(trace.charger_kwh, optimum.policy.charger_kwh, rtol=0, atol=2e-6)
    assert (rollout.net_kwh <= np.maximum(site.load_kwh - site.pv_kwh, limit_kw) + 1e-4).all()
    feasible_kwh = feasible_delivery(year)
    need_kwh = make_fleet(year).need_kwh
    assert rollout.ev_kwh.sum() == pytest.approx(feasible_kwh.sum(), abs=1e-4)
    assert need_kwh.sum() - feasible_kwh.sum() == pytest.approx(optimiser.program.unmet_kwh, abs=1e-5)
    assert (feasible_kwh >= -1e-9).all()
    assert (feasible_kwh <= need_kwh + 1e-6).all()
    assert optimum.replayed == pytest.approx(optimum.bound, abs=1e-3)


@SOME
@given(site=tiny_sites(), limit_kw=st.integers(0, 14))
def test_reward_counts_what_no_plan_can_deliver(params, site, limit_kw):
    site = replace(site, import_limit_kw=float(limit_kw))
    optimum = Optimiser(year_of(site, params)).optimum("reward")
    assert optimum.replayed == pytest.approx(optimum.bound, abs=1e-4)


@SOME
@given(seed=st.integers(0, 10_000), share=st.floats(0.2, 1.0))
def test_groups_lose_nothing_against_a_program_over_single_sessions(params, seed, share):
    site = small_site(seed, n_chargers=40, n_steps=24, longest_stay=5, bess="none")
    site = replace(site, chargers=(site.chargers[0],) * 20 + (site.chargers[1],) * 20)
    uncontrolled = roll_out(ConstantPolicy(1.0, 40), year_of(site, params))
    site = replace(site, import_limit_kw=float(share * uncontrolled.net_kwh.max()))
    year = year_of(site, params)
    fleet, sessions = make_fleet(year), site.sessions
    program = Program(year, fleet)
    hours = sessions.departure_step - sessions.arrival_step
    member = np.repeat(np.arange(len(hours)), hours)
    step = np.concatenate([np.arange(a, a + n) for a, n in zip(sessions.arrival_step, hours, strict=True)])
    room = np.maximum(site.import_limit_kw - (site.load_kwh - site.pv_kwh), 0.0)
    single = linprog(
        -np.ones(len(step)),
        A_ub=np.vstack([np.eye(24)[:, step], np.eye(len(hours))[:, member]]),
        b_ub=np.concatenate([room, fleet.need_kwh]),
        bounds=[(0, fleet.limit_kwh[m]) for m in member],
    )
    assert program.unmet_kwh == pytest.approx(fleet.need_kwh.sum() + single.fun, abs=1e-5)
    # What groups get can be divided among their sessions.
    slot_kwh = program.minimise(OBJECTIVES["cost"].prices(year)).slot_kwh
    plan = charger_plan(fleet, slot_kwh, 24, 40)
    np.testing.assert_allclose(plan.sum(axis=1), sum_by(fleet.slot_step, slot_kwh, 24), atol=1e-6)
    assert (session_kwh(plan, sessions) <= fleet.need_kwh + 1e-6).all()
    assert plan.min() >= 0
    assert (plan[step, sessions.charger[member]] <= fleet.limit_kwh[member] * (1 + 1e-12)).all()


def test_cars_that_cannot_all_be_served_get_what_the_connection_carries(params):
    # Two cars for hours 0 to 1, needs 4 and 6 kWh; 1 kW of load under a limit of 4 leaves 3 kW: 6 of 10 kWh.
    rows = [(0, 0, 2, 0.0, 0.5), (1, 0, 2, 0.0, 0.75)]
    site = replace(hand_site(rows, n_steps=4, load_kwh=1.0), import_limit_kw=4.0)
    year = year_of(site, params)
    optimiser = Optimiser(year)
    assert optimiser.program.unmet_kwh == pytest.approx(4.0)
    # 6 + 4 hours of load, at 0.5 kg.
    assert optimiser.optimum("co2").replayed == pytest.approx(5.0, abs=1e-5)
    assert feasible_delivery(year).sum() == pytest.approx(6.0, abs=1e-5)


def test_without_a_limit_every_need_is_feasible(params):
    site = hand_site([(0, 0, 2, 0.0, 0.5), (1, 0, 1, 0.0, 0.75)], n_steps=4)
    # 4 kWh, and 4 of 6 in the one hour of the second car.
    assert feasible_delivery(year_of(site, params)).tolist() == [4.0, 4.0]


def test_load_beyond_the_limit_with_a_battery_is_refused(params):
    site = hand_site([(0, 0, 2, 0.0, 0.5)], load_kwh=np.array([1.0, 5.0, 1.0]), n_steps=3, battery=bess())
    site = replace(site, bess_dispatch="agent", import_limit_kw=4.0)
    with pytest.raises(ValueError, match=r"load less PV is 5 kW in step 1, beyond import_limit_kw 4: whether cars"):
        Optimiser(year_of(site, params))


def test_cars_of_different_efficiency_are_refused_for_the_reward(params):
    site = replace(small_site(1, bess="none"), import_limit_kw=20.0)
    with pytest.raises(ValueError, match="cars of different efficiency under an import limit"):
        Optimiser(year_of(site, params)).optimum("reward")
