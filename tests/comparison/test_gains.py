"""The right answer for each objective, at real sites: drawn, run, compared, put into words."""

import re
from pathlib import Path

import numpy as np
import pytest

from iquitos_citylearn.comparison.compare import compare
from iquitos_citylearn.comparison.gains import Verdict, gains_of
from iquitos_citylearn.comparison.seed_statistics import Resampling
from iquitos_citylearn.comparison.text import comparison_text
from iquitos_citylearn.evaluation.captured_share import captured_shares
from iquitos_citylearn.evaluation.judged import JUDGED
from iquitos_citylearn.evaluation.references import best_constants, find_references
from iquitos_citylearn.evaluation.without_training import optima_of_year
from iquitos_citylearn.evaluation.year_figures import mean_figures, year_figures
from iquitos_citylearn.evaluation.years import make_evaluated_years
from iquitos_citylearn.optimum.objectives import OBJECTIVES
from iquitos_citylearn.params import validate_params
from iquitos_citylearn.policies.making import make_policy
from iquitos_citylearn.policies.register import Kind, policies_of
from iquitos_citylearn.policies.rollout import roll_out_years
from iquitos_citylearn.runtime.artifacts import write_json
from iquitos_citylearn.site.draw import draw_site
from iquitos_citylearn.status.headline import headline
from iquitos_citylearn.status.pipeline import Stage
from iquitos_citylearn.tools.picture import result_picture

SEEDS = (2023, 102)
RESAMPLING = Resampling(n_resamples=100, confidence_level=0.95, seed=0)
FEW_CARS = {
    "energy_requested_kwh_per_day": 30,
    "fleets": {"moto": {"n_chargers": 4}, "mototaxi": {"n_chargers": 2}},
}


MALL_KWH = 8_000.0
"""What the mall takes in a day, about [kWh]."""


def changed(tree, changes):
    """Return nested params with some of them replaced."""
    return {
        key: changed(value, changes[key]) if isinstance(changes.get(key), dict) else changes.get(key, value)
        for key, value in tree.items()
    }


def compared(params, seeds=SEEDS, **site):
    """Return the references and the comparison of all that needs no model, and of `required` as if it were trained."""
    params = validate_params(changed(params.model_dump(), {"site": site}), "a test")
    sites = [draw_site(params.site, seed=seed)[0] for seed in seeds]
    results, references = {}, {}
    for entry in (entry for entry in policies_of(params) if entry.kind is not Kind.AGENT):
        years = make_evaluated_years(params, seeds, sites, range(len(seeds)), entry.actions)
        if entry.action_mapping == "raw" and not references:
            references = find_references(years)
            constants = best_constants(years, references)
        rollouts = roll_out_years(make_policy(entry, years, params), years.setting)
        runs = []
        for rollout, year in zip(rollouts, years, strict=True):
            figures = year_figures(rollout, year)
            runs.append({"year": year.seed} | figures | captured_shares(figures, references[year.seed]))
        certification = {"headline": {"n_steps": years[0].site.n_steps}}
        result = {"policy": entry.name, "kind": entry.kind.value, "certification": certification, "runs": runs}
        results[entry.name] = runs[0] | result
        if entry.kind is Kind.OPTIMUM:
            results[entry.name]["optimum"] = optima_of_year(years[0])
        if entry.name == "required":
            beside = {judged.best_constant: constants[name] for name, judged in JUDGED.items()}
            beside |= {"untrained": mean_figures(runs), "training_years": mean_figures(runs)}
            results["learned"] = results["required"] | {"policy": "learned", "kind": "agent"} | beside
    return references, compare(results, references, RESAMPLING, params.evaluation.little_gain_share)


def printed_numbers(text):
    return re.findall(r"-?[\d,]+(?:\.\d+)?", text)


@pytest.fixture(scope="module")
def unlike(params):
    """A site with hardly any surplus of PV: to shift energy into cheap hours saves money and costs CO2."""
    grid = {"peak_tariff_usd_per_kwh": 0.5, "demand_charge_usd_per_kw_month": 12}
    pv = {"rated_power_kwp": 300, "inverter_limit_kw": 200, "annual_energy_kwh": None}
    return compared(params, calendar={"n_days": 4}, charging=FEW_CARS, grid=grid, bess={"dispatch": "agent"}, pv=pv)


def test_the_two_objectives_differ_tenfold(unlike):
    _, comparison = unlike
    gains = gains_of(comparison)
    assert gains["cost"].share > 10.0 * gains["co2"].share > 0.0


def test_each_gain_is_that_of_its_own_optimum(unlike):
    references, comparison = unlike
    policies = comparison["policies"]
    assert "optimum" not in policies
    for name, gain in gains_of(comparison).items():
        judged = JUDGED[name]
        ends = [year.ends(judged) for year in references.values()]
        own, other = (policies[f"optimum_{objective}"] for objective in (name, "cost" if name == "co2" else "co2"))
        assert gain.gain == pytest.approx(np.mean([end.uncontrolled - end.optimum for end in ends]))
        assert own["saved"][judged.figure] == pytest.approx(gain.gain, abs=gain.resolution)
        assert own[judged.share]["mean"] == pytest.approx(1.0, abs=1e-3)
        assert other["saved"][judged.figure] < gain.gain - gain.resolution
        assert other[judged.share]["mean"] < 1.0


def test_no_text_has_a_gain_of_one_objective_from_the_plan_of_the_other(unlike):
    _, comparison = unlike
    policies = comparison["policies"]
    co2, cost = comparison_text(comparison).partition("\n\n")[0].splitlines()
    saved = {name: policies[name]["saved"] for name in ("optimum_co2", "optimum_cost")}
    assert f"saves {saved['optimum_co2']['co2_kg']:,.0f} kg in 96 hours" in co2
    assert f"saves {saved['optimum_cost']['cost_usd']:,.0f} USD in 96 hours" in cost
    assert f"{saved['optimum_cost']['co2_kg']:,.0f}" not in printed_numbers(co2)
    assert f"{saved['optimum_co2']['cost_usd']:,.0f}" not in printed_numbers(cost)
    assert ("That is little." in co2, "That is little." in cost) == (True, False)


def test_peak_import_and_reward_have_gains_of_their_own_in_the_headline_year(unlike):
    references, comparison = unlike
    gains = comparison["headline_to_gain"]
    assert list(gains) == list(OBJECTIVES)
    assert gains["cost"]["gain"] == references[SEEDS[0]].ends(JUDGED["cost"]).gain
    peak = gains["peak_import"]
    assert peak["uncontrolled"] - peak["optimum"] == peak["gain"] > peak["resolution"]
    row = f"| peak import [kW] | {peak['uncontrolled']:,.1f} | {peak['optimum']:,.1f} | {peak['gain']:,.1f} |"
    assert row in comparison_text(comparison)


def test_where_the_money_goes(unlike):
    _, comparison = unlike
    text = comparison_text(comparison)
    _, found, table = text.partition("**Where the money goes**")
    assert found
    row = next(line for line in table.splitlines() if line.startswith("| uncontrolled |"))
    off_peak, peak, demand, cost = map(float, row.strip("| ").split(" | ")[1:])
    assert off_peak + peak + demand == pytest.approx(cost, abs=2e-3)
    assert min(off_peak, peak, demand) > 0.0
    assert "| policy | Jan |" in text


@pytest.fixture(scope="module", params=["one day", "a battery that swallows everything"])
def without_gain(request, params):
    """Sites at which every policy imports the same: nothing but rounding."""
    if request.param == "one day":
        return compared(params, calendar={"n_days": 1})
    pv, bess = params.site.pv, params.site.bess
    larger = {name: 10 * getattr(bess, name) for name in type(bess).model_fields if name.endswith(("_kwh", "_kw"))}
    sunny = {name: 3 * getattr(pv, name) for name in ("rated_power_kwp", "annual_energy_kwh", "inverter_limit_kw")}
    return compared(params, calendar={"n_days": 5}, pv=sunny, bess=larger)


def test_no_share_of_nothing_is_printed(without_gain):
    _, comparison = without_gain
    text = comparison_text(comparison)
    for name, gain in gains_of(comparison).items():
        judged = JUDGED[name]
        assert gain.verdict == Verdict.NONE
        assert abs(gain.gain) < gain.resolution < 1e-3 * MALL_KWH
        assert all(judged.share not in figures for figures in comparison["policies"].values())
    first, *tables = text.split("\n\n")
    assert [line.partition(" Charging")[0] for line in first.splitlines()] == [
        "- CO2: there is nothing to gain.",
        "- Cost: there is nothing to gain.",
    ]
    learned = next(line for line in tables[-1].splitlines() if line.startswith("| learned |"))
    assert set(learned.strip("| ").split(" | ")[1:]) == {"-"}
    assert "-0.0" not in text
    assert "takes" not in text
    assert comparison["policies"]["required"]["improvement_over"]["co2"]["uncontrolled"]["mean"] == 0.5
    assert "There is nothing to save." in result_picture(comparison)


def test_of_one_day_a_share_is_that_of_the_years_with_a_gain(params):
    # Only in year 101 does the battery not carry the first day.
    references, comparison = compared(params, seeds=(2023, 101, 102), calendar={"n_days": 1})
    co2, policies = JUDGED["co2"], comparison["policies"]
    gains = {year: reference.ends(co2) for year, reference in references.items()}
    assert [year for year, ends in gains.items() if ends.is_gain] == [101]
    assert comparison["to_gain"]["co2"]["gain"] == pytest.approx(gains[101].gain / 3, abs=1e-3)
    assert policies["uncontrolled"][co2.share]["mean"] == pytest.approx(0.0, abs=1e-6)
    assert policies["required"][co2.share]["mean"] == pytest.approx(
        3 * policies["required"]["saved"]["co2_kg"] / gains[101].gain, abs=1e-3
    )


def test_the_status_says_that_there_is_nothing_to_gain(without_gain, tmp_path, monkeypatch):
    references, _ = without_gain
    monkeypatch.chdir(tmp_path)
    write_json(Path("metrics/references.json"), {"years": {str(seed): vars(year) for seed, year in references.items()}})
    said = headline(Stage(name="references", command="", outputs=("metrics/references.json",), dependencies=()))
    assert said == "2 years, nothing of CO2 to gain, nothing of cost to gain"
