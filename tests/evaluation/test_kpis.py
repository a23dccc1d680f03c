from dataclasses import replace
from math import fsum

import numpy as np
import pandas as pd
import pytest

from iquitos_citylearn.env.twin import Twin
from iquitos_citylearn.evaluation.key_figures import SUMMED
from iquitos_citylearn.evaluation.kpis import key_figures, make_timeseries, month_peaks_kw, session_outcomes
from iquitos_citylearn.policies.rollout import trace_year
from tests.small import (
    TERMS,
    bess,
    hand_site,
    random_policy_actions,
    session_at,
    small_site,
    target_socs,
    with_demand_charge,
    year_of,
)

COLUMNS = [
    "timestamp", "building_load_kwh", "pv_generation_kwh", "ev_charging_kwh", "bess_charge_kwh", "bess_discharge_kwh",
    "bess_soc", "net_grid_kwh", "grid_import_kwh", "grid_export_kwh", "co2_kg", "cost_usd",
    *(f"reward_{term}" for term in TERMS), "reward_total",
]  # fmt: skip


class Replay:
    def __init__(self, actions):
        self.actions = iter(np.asarray(actions, dtype=np.float32))

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        assert deterministic, "a year is rolled out deterministically"
        del observation, state, episode_start
        return next(self.actions)[None], None


def figures_of(site, params, actions, calendar_year=2023):
    year = replace(year_of(site, params), calendar_year=calendar_year)
    rollout, trace = trace_year(Replay(actions), year)
    series = make_timeseries(rollout, year)
    outcomes = session_outcomes(rollout, year)
    return key_figures(series, outcomes, year.setting.tables.evening[0]), series, outcomes, trace


def charging(site, *charger_steps):
    actions = np.full((site.n_steps, site.n_chargers), -1.0)
    for charger, step in charger_steps:
        actions[step, charger] = 1.0
    return actions


def test_the_columns_and_the_hours(params):
    site = hand_site([], n_steps=48)
    _, series, _, _ = figures_of(site, params, charging(site), calendar_year=2025)
    assert list(series.columns) == COLUMNS
    assert series["timestamp"].tolist()[:2] == ["2025-01-01 00:00", "2025-01-01 01:00"]
    assert series["timestamp"].iloc[-1] == "2025-01-02 23:00"
    assert len(series) == 48


@pytest.mark.parametrize("bess_kind", ["automatic", "none"])
def test_series_and_figures_recomputed_from_the_steps_of_the_twin(params, bess_kind):
    site = small_site(41, bess=bess_kind)
    actions = random_policy_actions(np.random.default_rng(1), site.n_steps, site.n_chargers)
    figures, series, outcomes, trace = figures_of(site, params, actions)

    twin, session, targets = Twin(site), session_at(site), target_socs(site)
    totals = dict.fromkeys(SUMMED, 0.0)
    peak = evening_peak = unmet = over = 0.0
    served = n_sessions = 0
    for t in range(site.n_steps):
        result = twin.step(trace.charger_action[t])
        row = series.iloc[t]
        grid_import, grid_export = max(result.net_kwh, 0.0), max(-result.net_kwh, 0.0)
        expected = {
            "building_load_kwh": site.load_kwh[t],
            "pv_generation_kwh": site.pv_kwh[t],
            "ev_charging_kwh": sum(result.charger_kwh),
            "bess_charge_kwh": max(result.bess_kwh, 0.0),
            "bess_discharge_kwh": max(-result.bess_kwh, 0.0),
            "bess_soc": result.bess_soc,
            "net_grid_kwh": result.net_kwh,
            "grid_import_kwh": grid_import,
            "grid_export_kwh": grid_export,
            "co2_kg": grid_import * site.carbon_kg_per_kwh[t],
            "cost_usd": grid_import * site.price_usd_per_kwh[t],
        }
        assert row[list(expected)].to_dict() == pytest.approx(expected, rel=1e-12)
        assert row["reward_total"] == pytest.approx(sum(row[f"reward_{term}"] for term in TERMS), abs=1e-12)
        # The balance of the hour: float32 sums of at most a few hundred kWh.
        balance = (
            row["building_load_kwh"] - row["pv_generation_kwh"] + row["ev_charging_kwh"]
            + row["bess_charge_kwh"] - row["bess_discharge_kwh"]
        )  # fmt: skip
        assert row["net_grid_kwh"] == pytest.approx(balance, abs=1e-4)
        for name in totals:
            totals[name] += expected[name]
        peak = max(peak, grid_import)
        if (site.hour[t] - 1) in params.environment.evening_peak_hours:
            evening_peak = max(evening_peak, grid_import)
        for c, charger in enumerate(site.chargers):
            which = session(t, c)
            if which is None or site.sessions.departure_step[which] != t + 1:
                continue
            n_sessions += 1
            kwh = charger.ev.energy_capacity_kwh / charger.efficiency
            short = max(0.0, targets[which] - result.ev_soc[c])
            unmet += short * kwh
            over += kwh * max(
                0.0,
                result.ev_soc[c] - max(site.sessions.required_soc[which], site.sessions.arrival_soc[which]),
            )
            served += short <= 0.01
            assert outcomes.departure_soc[which] == result.ev_soc[c]
    assert n_sessions == len(site.sessions) > 10
    assert 0 < served < n_sessions
    assert {name: figures[name] for name in totals} == pytest.approx(totals, rel=1e-9)
    assert figures["peak_import_kw"] == peak
    assert figures["evening_peak_import_kw"] == evening_peak
    assert figures["self_consumption"] == pytest.approx(1 - totals["grid_export_kwh"] / totals["pv_generation_kwh"])
    assert (figures["n_steps"], figures["ev_sessions"]) == (site.n_steps, n_sessions)
    assert figures["ev_service"] == pytest.approx(served / n_sessions)
    assert (figures["ev_unmet_kwh"], figures["ev_overdelivered_kwh"]) == (pytest.approx(unmet), pytest.approx(over))
    assert list(figures["reward"]) == [*TERMS, "total"]


def test_figures_are_the_sums_of_the_written_columns(params):
    site = small_site(42)
    figures, series, _, _ = figures_of(site, params, np.ones((site.n_steps, site.n_chargers)))
    for name in SUMMED:
        assert abs(figures[name] - fsum(float(repr(float(value))) for value in series[name])) < 1e-6
    for term in (*TERMS, "total"):
        assert abs(figures["reward"][term] - fsum(series[f"reward_{term}"])) < 1e-6


def test_unmet_and_overdelivered_by_hand(params):
    # Charger 0: 4 kWh, 0.25 of the SOC and 2 kWh on the site's side an hour. Charger 1: 0.5 and 4 kWh.
    site = hand_site(
        [
            (0, 0, 3, 0.25, 0.75),  # an hour of two needed: 0.25 x 4 / 0.5 = 2 kWh short
            (0, 10, 14, 0.25, 0.50),  # three hours of one needed: 2 x 2 kWh too much
            (1, 0, 1, 0.0, 1.0),  # half of it feasible, and that it gets: served, nothing unmet
            (1, 5, 9, 0.5, 0.25),  # came with more than it wants, charged an hour: 4 kWh too much
        ]
    )
    figures, _, outcomes, _ = figures_of(
        site, params, charging(site, (0, 1), (0, 10), (0, 11), (0, 12), (1, 0), (1, 6))
    )
    assert outcomes.departure_soc.tolist() == [0.5, 1.0, 0.5, 1.0]
    assert outcomes.shortfall_soc.tolist() == [0.25, 0.0, 0.0, 0.0]
    assert outcomes.unmet_kwh.tolist() == [2.0, 0.0, 0.0, 0.0]
    assert outcomes.overdelivered_kwh.tolist() == [0.0, 4.0, 0.0, 4.0]
    assert (figures["ev_unmet_kwh"], figures["ev_overdelivered_kwh"]) == (2.0, 8.0)
    assert (figures["ev_sessions"], figures["ev_service"]) == (4, 0.75)
    assert figures["ev_charging_kwh"] == 4 * 2.0 + 2 * 4.0


@pytest.mark.parametrize(("shortfall", "service"), [(0.009, 1.0), (0.011, 0.0)])
def test_a_session_is_served_within_a_hundredth_of_the_soc(params, shortfall, service):
    # One hour reaches 0.5; `shortfall` more was wanted and two hours would have reached it.
    site = hand_site([(0, 0, 3, 0.25, 0.5 + shortfall)])
    figures, _, _, _ = figures_of(site, params, charging(site, (0, 0)))
    assert figures["ev_service"] == service
    assert figures["ev_unmet_kwh"] == pytest.approx(shortfall * 8), "unmet energy has no tolerance"


def test_without_sessions_or_pv_there_is_no_share(params):
    site = hand_site([], load_kwh=2.0)
    figures, _, _, _ = figures_of(site, params, charging(site))
    assert figures["ev_service"] is None
    assert figures["self_consumption"] is None
    assert (figures["ev_sessions"], figures["ev_unmet_kwh"], figures["ev_overdelivered_kwh"]) == (0, 0.0, 0.0)
    assert figures["co2_kg"] == pytest.approx(48 * 2.0 * 0.5)
    assert figures["cost_usd"] == pytest.approx(48 * 2.0 * 0.25)


def test_exports_earn_and_avoid_nothing(params):
    pv_kwh = [10.0] * 24 + [0.0] * 24
    site = hand_site([], load_kwh=2.0, pv_kwh=pv_kwh)
    figures, series, _, _ = figures_of(site, params, charging(site))
    # 24 h import 2 kWh; 24 h export 8 of 10 kWh.
    assert (figures["grid_import_kwh"], figures["grid_export_kwh"]) == (48.0, 192.0)
    assert (figures["co2_kg"], figures["cost_usd"]) == (24.0, 12.0)
    assert figures["self_consumption"] == pytest.approx(0.2)
    assert (series["cost_usd"] >= 0).all()


def test_a_battery_with_energy_left_in_it_is_no_import(params):
    site = hand_site([], load_kwh=1.0, battery=bess())  # 50 kWh in it, 45 come out: 45 h without import
    figures, series, _, _ = figures_of(site, params, charging(site))
    assert figures["grid_import_kwh"] == pytest.approx(3.0, abs=1e-3)
    assert series["bess_discharge_kwh"].sum() == pytest.approx(45.0, abs=1e-3)
    assert isinstance(series, pd.DataFrame)


def test_a_year_without_an_evening_has_no_evening_peak(params):
    site = hand_site([], load_kwh=1.0, n_steps=10)
    figures, _, _, _ = figures_of(site, params, charging(site))
    assert figures["evening_peak_import_kw"] == 0.0
    assert figures["peak_import_kw"] == 1.0


def test_an_action_that_is_not_a_number_is_named_with_its_step(params):
    site = hand_site([(0, 0, 24, 0.25, 0.75)])
    actions = charging(site)
    actions[7, 0] = np.nan
    with pytest.raises(FloatingPointError, match="action is not finite at step 7"):
        figures_of(site, params, actions)


def test_a_demand_charge_is_paid_on_each_months_highest_import(params):
    # 0.25 USD/kWh, 10 USD/kW; the second month starts in hour 30. Load 3 kWh; a car takes 2 kWh in hours 1 and 2.
    site = with_demand_charge(hand_site([(0, 0, 24, 0.0, 1.0)], n_steps=48, load_kwh=3.0))
    figures, series, _, _ = figures_of(site, params, charging(site, (0, 1), (0, 2)))
    demand = series["demand_cost_usd"].to_numpy()
    assert {int(t): demand[t] for t in np.flatnonzero(demand)} == {0: 30.0, 1: 20.0, 30: 30.0}
    assert series["energy_cost_off_peak_usd"].sum() == pytest.approx(0.25 * (48 * 3 + 4))
    np.testing.assert_array_equal(series["cost_usd"], series["energy_cost_off_peak_usd"] + demand)
    assert figures["demand_cost_usd"] == pytest.approx(80.0)
    assert figures["cost_usd"] == pytest.approx(figures["energy_cost_off_peak_usd"] + 80.0)
    assert "energy_cost_peak_usd" not in figures


def test_a_peak_tariff_splits_the_cost_of_energy(params):
    # Load 3 kWh; hours 18 and 42 cost 0.5 USD/kWh, the others 0.25; a car takes 2 kWh in hour 18.
    price = np.full(48, 0.25)
    price[[18, 42]] = 0.5
    site = hand_site([(0, 12, 24, 0.0, 1.0)], n_steps=48, load_kwh=3.0, price=price)
    figures, series, _, _ = figures_of(site, params, charging(site, (0, 18)))
    assert figures["energy_cost_peak_usd"] == pytest.approx(0.5 * (2 * 3 + 2))
    assert figures["energy_cost_off_peak_usd"] == pytest.approx(0.25 * 46 * 3)
    assert figures["cost_usd"] == pytest.approx(4.0 + 34.5)
    assert "demand_cost_usd" not in series


def test_the_peaks_of_the_months(params):
    site = with_demand_charge(hand_site([], n_steps=48, load_kwh=np.arange(48.0)))
    year = year_of(site, params)
    assert month_peaks_kw(site.load_kwh, year.setting.tables.month_start[0]).tolist() == [29.0, 47.0]
