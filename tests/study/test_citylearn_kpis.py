"""CityLearn's own figures beside ours: what is the same, and each difference in definition."""

import numpy as np
import pandas as pd
import pytest

from iquitos_citylearn.evaluation.kpis import session_outcomes
from iquitos_citylearn.evaluation.year_figures import year_figures
from iquitos_citylearn.evaluation.years import make_evaluated_years
from iquitos_citylearn.params import Actions
from iquitos_citylearn.policies.rollout import trace_year
from iquitos_citylearn.policies.rules import ConstantPolicy
from iquitos_citylearn.study.citylearn_kpis import citylearn_kpis


@pytest.fixture(scope="module")
def years(params, stored):
    return make_evaluated_years(params, [2023], [stored.site], [0], Actions("raw"))


@pytest.fixture(scope="module")
def traced(years):
    """Three quarters of the power: some cars get what they ask for, some not."""
    return trace_year(ConstantPolicy(0.5, 3), years[0])


@pytest.fixture(scope="module")
def rollout(traced):
    return traced[0]


@pytest.fixture(scope="module")
def ours(years, rollout):
    return year_figures(rollout, years[0])


@pytest.fixture(scope="module")
def theirs(traced, stored):
    return {name.removeprefix("district_"): value for name, value in citylearn_kpis(stored.schema, traced[1]).items()}


@pytest.mark.parametrize(
    ("name", "figure"),
    [
        ("energy_grid_total_import_control_kwh", "grid_import_kwh"),
        ("energy_grid_total_export_control_kwh", "grid_export_kwh"),
        ("ev_total_charge_kwh", "ev_charging_kwh"),
        ("solar_self_consumption_ratio_self_consumption_ratio", "self_consumption"),
        ("ev_events_departure_count", "ev_sessions"),
    ],
)
def test_what_is_the_same(ours, theirs, name, figure):
    assert theirs[name] == pytest.approx(ours[figure], rel=1e-12)


@pytest.mark.parametrize(
    ("name", "figure"), [("emissions_total_control_kgco2", "co2_kg"), ("cost_total_control_eur", "cost_usd")]
)
def test_money_and_emissions_differ_by_float32(ours, theirs, name, figure):
    assert theirs[name] == pytest.approx(ours[figure], rel=1e-6)


def test_its_cost_gives_nothing_for_exports(rollout, years, theirs):
    price = years[0].site.price_usd_per_kwh
    assert (rollout.net_kwh < 0).any()
    assert theirs["cost_total_control_eur"] == pytest.approx(float(np.maximum(rollout.net_kwh, 0) @ price), rel=1e-6)


def test_its_baseline_is_the_site_without_battery_and_without_cars(rollout, theirs):
    bare = rollout.net_kwh - rollout.bess_kwh - rollout.ev_kwh
    assert theirs["energy_grid_total_import_baseline_kwh"] == pytest.approx(np.maximum(bare, 0).sum(), rel=1e-6)
    ratio = theirs["energy_grid_total_import_control_kwh"] / theirs["energy_grid_total_import_baseline_kwh"]
    assert theirs["energy_grid_ratio_to_baseline_import_total_ratio"] == pytest.approx(ratio)


def test_its_success_is_what_was_asked_for_and_our_service_what_was_feasible(rollout, years, ours, theirs):
    departure_soc = session_outcomes(rollout, years[0]).departure_soc
    asked_for = years[0].site.sessions.required_soc
    success = float(np.mean(departure_soc >= asked_for - 1e-6))
    assert theirs["ev_performance_departure_success_ratio"] == pytest.approx(success)
    assert ours["ev_service"] > success, "some car could not have got what it asked for"


def test_its_shortfall_is_an_account_of_energy_not_of_cars(ours, theirs):
    assert ours["ev_unmet_kwh"] > 1.0
    gained, charged = theirs["ev_energy_accounting_connected_soc_gain_kwh"], theirs["ev_total_charge_kwh"]
    assert theirs["ev_energy_accounting_shortfall_kwh"] == pytest.approx(max(gained - charged, 0.0))


def test_figures_are_numbers(theirs):
    assert len(theirs) > 50
    assert pd.Series(theirs).notna().all()


def test_its_peaks_are_means_of_ratios_and_its_battery_counts_both_ways(rollout, theirs):
    bare = np.maximum(rollout.net_kwh - rollout.bess_kwh - rollout.ev_kwh, 0.0)
    imported = np.maximum(rollout.net_kwh, 0.0)
    whole = theirs["energy_grid_shape_quality_peak_all_time_average_to_baseline_ratio"]
    assert whole == pytest.approx(imported.max() / bare.max(), rel=1e-5)
    by_day = imported.reshape(3, 24).max(axis=1).mean() / bare.reshape(3, 24).max(axis=1).mean()
    assert theirs["energy_grid_shape_quality_peak_daily_average_to_baseline_ratio"] == pytest.approx(by_day, rel=1e-5)
    charged, given = theirs["battery_total_charge_kwh"], theirs["battery_total_discharge_kwh"]
    assert charged == pytest.approx(np.maximum(rollout.bess_kwh, 0.0).sum(), rel=1e-6)
    assert given == pytest.approx(np.maximum(-rollout.bess_kwh, 0.0).sum(), rel=1e-6)
    assert theirs["battery_total_throughput_kwh"] == pytest.approx(charged + given)
