"""Rules and controllers for a battery under the agent: what they may know, and what they decide."""

from dataclasses import replace

import numpy as np
import pytest

from iquitos_citylearn.env.night import EXPECTED
from iquitos_citylearn.env.year import Years
from iquitos_citylearn.evaluation.year_figures import year_figures
from iquitos_citylearn.optimum.optimiser import Optimiser
from iquitos_citylearn.policies.making import make_policy
from iquitos_citylearn.policies.policy_improvement import N_TRIED, Outlook, _cost_of, best_target
from iquitos_citylearn.policies.register import REGISTER
from iquitos_citylearn.policies.rollout import roll_out, trace_years
from iquitos_citylearn.policies.scenarios import draw_noise, no_scenarios, write_scenarios
from iquitos_citylearn.site.expectations import fit_expectations
from iquitos_citylearn.site.model import Sessions
from tests.small import bess, charger, hand_site, setting_of, small_site, with_demand_charge, year_of, years_of

ENTRIES = {entry.name: entry for entry in REGISTER}
PLANNING = ("level", "mpc", "rollout")
EXPECTED_ELSEWHERE = fit_expectations([small_site(70, 4, 96), small_site(71, 4, 96)])
HORIZON = {"energy_horizon_hours": 100.0}
"""What the cars of random sites may need."""


class Recorded:
    """A policy, and the actions that it has given."""

    def __init__(self, policy):
        self.policy, self.actions = policy, []

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        """Return the policy's own actions."""
        action, state = self.policy.predict(observation, state, episode_start, deterministic)
        self.actions.append(np.array(action))
        return action, state


def decisions(name, sites, params, **changes):
    """Return observations and actions of years side by side, each of shape (n_years, n_steps, ...)."""
    setting = setting_of(sites, params, ENTRIES[name].action_mapping, **changes)
    years = Years.of(setting, tuple(sites), tuple(range(len(sites))), 2023)
    recorded = Recorded(make_policy(ENTRIES[name], years, params))
    rollouts, traces = trace_years(recorded, setting, len(sites))
    return np.array([trace.observation for trace in traces]), np.stack(recorded.actions, axis=1), rollouts


def run(name, site, params, **changes):
    """Return the figures of a year, and its rollout."""
    year = year_of(site, params, ENTRIES[name].action_mapping, **changes)
    rollout = roll_out(make_policy(ENTRIES[name], Years(year.setting, (year,)), params), year)
    return year_figures(rollout, year), rollout


def another_future(site, other, hour, forecast_hours):
    """Return a site that is another one in all that nobody can know in an hour.

    That is the load from it on, PV that no forecast has shown, and cars that arrive later.
    """
    after, unseen = np.arange(site.n_steps) >= hour, np.arange(site.n_steps) >= hour + forecast_hours
    here, there = site.sessions, other.sessions
    kept = here.arrival_step <= hour
    free = np.full(site.n_chargers, hour + 1)
    np.maximum.at(free, here.charger[kept], here.departure_step[kept] + 1)
    late = there.arrival_step >= free[there.charger]
    names = ("charger", "arrival_step", "departure_step", "arrival_soc", "required_soc")
    both = {name: np.concatenate([getattr(here, name)[kept], getattr(there, name)[late]]) for name in names}
    order = np.lexsort((both["arrival_step"], both["charger"]))
    return replace(
        site,
        load_kwh=np.where(after, other.load_kwh, site.load_kwh),
        pv_kwh=np.where(unseen, other.pv_kwh, site.pv_kwh),
        sessions=Sessions(**{name: values[order] for name, values in both.items()}),
    )


@pytest.mark.parametrize("hour", [9, 33, 58])
@pytest.mark.parametrize("name", PLANNING)
def test_no_policy_reads_the_future(params, name, hour):
    site, other = (with_demand_charge(small_site(seed, 4, 96, bess="agent")) for seed in (3, 30))
    changed = another_future(site, other, hour, params.environment.forecast_hours)
    runs = [decisions(name, [year], params, expectations=EXPECTED_ELSEWHERE, **HORIZON) for year in (site, changed)]
    (seen, actions, _), (seen_there, actions_there, _) = runs
    np.testing.assert_array_equal(seen[0, : hour + 1], seen_there[0, : hour + 1])
    np.testing.assert_array_equal(actions[0, : hour + 1], actions_there[0, : hour + 1])
    for entry in range(seen.shape[2]):
        told = seen[0, : hour + 1, entry], seen_there[0, : hour + 1, entry]
        assert told[0].tobytes() == told[1].tobytes(), entry
    assert (actions[0, hour + 1 :] != actions_there[0, hour + 1 :]).any(), "the future is another one"


@pytest.mark.parametrize("name", PLANNING)
def test_years_side_by_side_do_not_touch_each_other(params, name):
    site = small_site(3, 4, 48, bess="agent")
    sites = [with_demand_charge(replace(year, bess_dispatch="agent")) for year in years_of(site, 3)]
    _, together, rollouts = decisions(name, sites, params, expectations=EXPECTED_ELSEWHERE, **HORIZON)
    for index, year in enumerate(sites):
        alone = decisions(name, [year], params, keys=[index], expectations=EXPECTED_ELSEWHERE, **HORIZON)
        np.testing.assert_array_equal(together[index], alone[1][0])
        np.testing.assert_array_equal(rollouts[index].net_kwh, alone[2][0].net_kwh)


@pytest.mark.parametrize("kind", ["automatic", "none"])
@pytest.mark.parametrize("name", ["level", "rollout"])
def test_where_no_agent_dispatches_a_battery_it_is_required(params, name, kind):
    site = with_demand_charge(small_site(3, bess=kind))
    (seen, actions, _), (seen_there, required, _) = (
        decisions(policy, [site], params, expectations=EXPECTED_ELSEWHERE, **HORIZON) for policy in (name, "required")
    )
    np.testing.assert_array_equal(actions, required)
    np.testing.assert_array_equal(seen, seen_there)


def night_site(load_kwh, initial_soc, **changes):
    """Two days without PV, cars or losses, and a battery of 100 kWh under the agent that must last until noon."""
    battery = bess(capacity_kwh=100.0, power_kw=50.0, initial_soc=initial_soc, efficiency_round_trip=1.0)
    return replace(hand_site([], load_kwh=load_kwh, battery=battery, **changes), bess_dispatch="agent")


def cautious_as(params, path, floor_share=0.0, peak_share=0.0):
    """Return params whose rule `level` plans with one path."""
    level = params.environment.level
    paths = type(level.mild)(load_std=path.load_std, pv_error=path.pv_error, pv_beyond=path.pv_beyond)
    changed = level.model_copy(
        update={"floor_share": floor_share, "peak_share": peak_share, "mild": paths, "cautious": paths}
    )
    return params.model_copy(update={"environment": params.environment.model_copy(update={"level": changed})})


def test_level_spreads_the_battery_evenly_until_the_refill(params):
    # 12 hours of 10 kWh until noon, 60 kWh stored: the grid gives 5 kWh in each of them. From noon on nothing is left.
    _, rollout = run("level", night_site(10.0, 0.6), cautious_as(params, EXPECTED))
    np.testing.assert_allclose(rollout.net_kwh[:12], 5.0, atol=1e-3)
    np.testing.assert_allclose(rollout.net_kwh[12:], 10.0, atol=1e-3)


def test_level_imports_nothing_while_the_battery_lasts_or_a_low_import_can_catch_up(params):
    # 120 kWh until noon. The floor is 0.8 of the scale of 10 kW: 40 kWh last five hours, and 2 kWh of each later one.
    _, rollout = run("level", night_site(10.0, 0.4), cautious_as(params, EXPECTED, floor_share=0.8))
    # 40 = 2 x 10 + 10 x 2: two hours without an import, then 8 kW.
    np.testing.assert_allclose(rollout.net_kwh[:2], 0.0, atol=1e-3)
    np.testing.assert_allclose(rollout.net_kwh[2:12], 8.0, atol=1e-3)


SITES = {
    "a flat tariff and an automatic battery": {"bess": "automatic", "flat": True},
    "no battery": {"bess": "none"},
    "a demand charge and a battery under the agent": {"bess": "agent", "charge": 10.0},
    "a demand charge without a battery": {"bess": "none", "charge": 10.0},
    "a single day": {"bess": "agent", "n_steps": 24},
}


def lossless(site):
    """Return a site whose cars take what their chargers give, as at the default site."""
    return replace(
        site,
        chargers=tuple(
            charger(own.name, own.max_charging_power_kw, own.ev.energy_capacity_kwh, own.efficiency)
            for own in site.chargers
        ),
    )


@pytest.mark.parametrize("case", SITES.values(), ids=SITES)
def test_mpc_serves_as_well_as_required(params, case):
    site = lossless(small_site(5, 4, case.get("n_steps", 72), bess=case["bess"]))
    if case.get("flat"):
        site = replace(site, price_usd_per_kwh=np.full(site.n_steps, 0.2))
    if case.get("charge"):
        site = with_demand_charge(site, case["charge"])
    (mpc, rollout), (required, _) = (run(name, site, params, **HORIZON) for name in ("mpc", "required"))
    assert mpc["ev_service"] >= required["ev_service"] - 1e-6
    assert mpc["ev_unmet_kwh"] <= required["ev_unmet_kwh"] + 1e-4
    assert np.isfinite(rollout.net_kwh).all()


def test_mpc_keeps_an_import_limit_and_leaves_no_car_behind_that_required_serves(params):
    # 2 kW for two cars that need 4 kWh each, one of which leaves after two hours. `required` gives both 1 kW, so that
    # this one lacks 2 kWh. Who is first in the list must not matter.
    for hurried in (0, 1):
        sessions = [(hurried, 2, 4, 0.0, 0.5), (1 - hurried, 2, 10, 0.0, 0.5)]
        chargers = charger("charger_001", 2.0, 4.0), charger("charger_002", 2.0, 4.0)
        site = replace(hand_site(sorted(sessions), chargers, n_steps=24), import_limit_kw=2.0)
        (mpc, rollout), (required, _) = (
            run(name, site, params, energy_horizon_hours=4.0) for name in ("mpc", "required")
        )
        assert required["ev_unmet_kwh"] == pytest.approx(2.0, abs=1e-4)
        assert mpc["ev_unmet_kwh"] == pytest.approx(0.0, abs=1e-4)
        assert mpc["ev_service"] == 1.0
        np.testing.assert_allclose(rollout.net_kwh[2:6], 2.0, atol=1e-4)


def mpc_of_one_scenario(params):
    mpc = params.control.mpc.model_copy(update={"n_scenarios": 1})
    return params.model_copy(update={"control": params.control.model_copy(update={"mpc": mpc})})


HOURS = np.arange(24)
SUN_KWH = np.where((HOURS >= 7) & (HOURS < 18), 100.0, 0.0)
"""Covers any load here from 7:00 on, so that a battery has to last until 8:00."""


@pytest.mark.parametrize(
    ("price", "charge"),
    [(0.2, 10.0), (np.where(HOURS < 3, 0.1, 0.3), 0.0), (np.where(HOURS % 2 == 0, 0.1, 0.3), 2.0)],
    ids=["demand charge", "night tariff", "both"],
)
@pytest.mark.parametrize("sessions", [[], [(0, 0, 6, 0.0, 0.75), (1, 0, 5, 0.25, 1.0)]], ids=["no car", "cars"])
def test_with_one_scenario_that_comes_true_mpc_costs_what_the_optimum_costs(params, price, charge, sessions):
    battery = bess(capacity_kwh=200.0, power_kw=50.0, initial_soc=0.175, efficiency_round_trip=0.81)
    site = hand_site(sessions, n_steps=24, load_kwh=10.0, pv_kwh=SUN_KWH, price=price, battery=battery)
    site = replace(site, bess_dispatch="agent", demand_charge_usd_per_kw_month=charge)
    known = {"energy_horizon_hours": 4.0, "forecast_error_std": 0.0}
    # Cars that are there are seen; none is to be expected besides.
    expected = fit_expectations([replace(site, sessions=hand_site([], n_steps=24).sessions)])
    _, rollout = run("mpc", site, mpc_of_one_scenario(params), expectations=expected, **known)
    year = year_of(site, params, "raw", **known)
    best = Optimiser(year).optimum("cost")
    imports = np.maximum(rollout.net_kwh, 0.0)
    cost_usd = float(imports @ site.price_usd_per_kwh) + charge * imports.max()
    assert cost_usd == pytest.approx(best.bound, abs=2e-3)


@pytest.mark.parametrize("seed", range(4))
def test_rollouts_target_costs_no_more_on_its_scenarios_than_the_rules(params, seed):
    rng = np.random.default_rng(seed)
    site = with_demand_charge(small_site(seed, bess="agent"))
    lookahead = setting_of(site, params, expectations=EXPECTED_ELSEWHERE).lookahead
    scenarios, noise, better = no_scenarios(6), draw_noise(6, seed), 0
    for _ in range(40):
        hour = int(rng.integers(24))
        n_hours = (lookahead.expected.refill_hour - hour - 1) % 24 + 1
        stored = rng.uniform(lookahead.store.min_kwh, lookahead.store.capacity_kwh)
        outlook = Outlook(n_hours, hour, stored, rng.uniform(0, 60), 10.0, rng.uniform(0, 60), 6)
        write_scenarios(
            scenarios, lookahead.expected, 0.15, noise, int(rng.integers(997)), hour, rng.normal(), rng.uniform(0, 9),
            rng.uniform(0, 90, 6), n_hours,
        )  # fmt: skip
        best = best_target(lookahead, scenarios, outlook)
        of_best, of_rule = (mean_cost(lookahead, scenarios, outlook, target) for target in (best, outlook.rule_kw))
        assert of_best <= of_rule + N_TRIED * 1e-6
        better += of_best < of_rule - 0.01
    assert better > 5, "and often less"


def mean_cost(lookahead, scenarios, outlook, target_kw):
    paths = np.zeros(24, dtype=np.float32), np.zeros(24, dtype=np.float32)
    return sum(_cost_of(lookahead, scenarios, outlook, s, float(target_kw), *paths) for s in range(6)) / 6
