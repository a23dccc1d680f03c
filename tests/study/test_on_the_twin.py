from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from iquitos_citylearn.site.expectations import fit_expectations
from iquitos_citylearn.study.decomposition import ROWS, decompose
from iquitos_citylearn.study.drawn_case import DrawnCase
from iquitos_citylearn.study.forecasts import FORECASTS, POLICIES, captured_by_forecast, forecast_errors
from iquitos_citylearn.study.twin_tables import DECOMPOSITION, FORECAST_COSTS, FORECAST_ERRORS, twin_sections
from tests.small import small_site, with_demand_charge, years_of

PERFECT = "perfect, 24 h"


@pytest.fixture(scope="module")
def case(params):
    """Three days of two years of a small site with a demand charge and a battery under the agent."""
    first = small_site(4, bess="agent")
    sites = [with_demand_charge(site) for site in (first, *years_of(first, 2))]
    sites = [replace(site, bess=first.bess, bess_dispatch="agent") for site in sites]
    grid = params.site.grid.model_copy(update={"demand_charge_usd_per_kw_month": 10.0})
    agent = params.site.bess.model_copy(update={"dispatch": "agent"})
    site = params.site.model_copy(update={"grid": grid, "bess": agent})
    environment = params.environment.model_copy(update={"energy_horizon_hours": 100.0})
    params = params.model_copy(update={"site": site, "environment": environment})
    return DrawnCase(params, (1, 2), tuple(sites[:2]), fit_expectations(sites[2:]))


def test_the_optimum_captures_all_and_nothing_more(case):
    table = decompose(case)
    assert table["row"].drop_duplicates().tolist() == list(ROWS)
    assert table["year"].tolist() == [1, 2] * len(ROWS)
    shares = table.groupby("row", sort=False)["captured_share_cost"]
    assert shares.get_group("optimum_cost").tolist() == pytest.approx([1.0, 1.0])
    assert table["captured_share_cost"].max() <= 1.0 + 1e-6


def test_foresight_of_the_battery_is_worth_no_less_than_the_rule(case):
    means = decompose(case).groupby("row")["cost_usd"].mean()
    assert means["battery with perfect foresight, cars under `required`"] <= means["level"] + 1e-6


def test_every_policy_runs_under_every_forecast(case):
    table = captured_by_forecast(case)
    assert table[["policy", "forecast"]].drop_duplicates().to_numpy().tolist() == [
        [policy, forecast] for policy in POLICIES for forecast in FORECASTS
    ]
    assert np.isfinite(table["cost_usd"]).all()


def test_the_errors_are_of_every_forecaster_and_lead(case):
    errors = forecast_errors(case).pivot_table(index="hours_ahead", columns="forecast", values="rmse_share")
    assert errors.index.tolist() == list(range(1, 25))
    assert set(errors.columns) == set(FORECASTS) - {PERFECT}
    # The error of `noisy_truth` grows with the square root of the hours ahead.
    assert errors.loc[9, "noisy_truth"] / errors.loc[1, "noisy_truth"] == pytest.approx(3.0, rel=0.3)


def test_the_summary_has_the_tables_of_the_parts_that_were_run(tmp_path):
    assert twin_sections(tmp_path) == []
    share = "captured_share_cost"
    tables = {
        DECOMPOSITION: pd.DataFrame({"row": ["b", "b", "a", "a"], "year": [7, 1, 7, 1], share: [0.5, 0.6, 1.0, 0.9]}),
        FORECAST_COSTS: pd.DataFrame({"policy": ["level"] * 2, "forecast": ["z", "y"], share: [0.8, 0.9]}),
        FORECAST_ERRORS: pd.DataFrame({"forecast": ["z"] * 2, "hours_ahead": [1, 7], "rmse_share": [0.25, 0.5]}),
    }
    for file, table in tables.items():
        (tmp_path / file).parent.mkdir(exist_ok=True)
        table.to_csv(tmp_path / file, index=False)
    lines = "\n".join(twin_sections(tmp_path)).splitlines()
    assert "| b | 55.0 % | 50.0 % | 60.0 % |" in lines
    assert lines.index("| b | 55.0 % | 50.0 % | 60.0 % |") < lines.index("| a | 95.0 % | 100.0 % | 90.0 % |")
    assert "| policy | z | y |" in lines
    assert "| z | 25.0 % |" in lines, "leads that are not shown are left out"
