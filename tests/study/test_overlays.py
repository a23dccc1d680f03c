"""The sites of the study, small: every stage but the trainings, on each overlay."""

import contextlib

import pytest
import yaml

from iquitos_citylearn.params import load_params
from iquitos_citylearn.runtime.artifacts import read_json
from iquitos_citylearn.runtime.folders import DATA, METRICS
from iquitos_citylearn.stages.baseline import evaluate_baseline
from iquitos_citylearn.stages.build_dataset import build_dataset
from iquitos_citylearn.stages.compare import compare_present
from iquitos_citylearn.stages.references import write_references
from iquitos_citylearn.stages.rules import TWIN_ONLY, evaluate_rules
from iquitos_citylearn.study.peak_shaving import evaluate_peak_shaving
from iquitos_citylearn.tools.overlay import write_overlaid
from tests.conftest import ROOT
from tests.pipelines import TINY

pytestmark = pytest.mark.xdist_group("overlays")

BASELINES = ("uncontrolled", "required", "optimum")
FIGURES = ("co2_kg", "cost_usd")
ROUNDING = 1e-3
"""Kilogrammes and dollars: data sets hold energies and SOCs in float32."""
# The load alone takes up to 540 kW on these days.
CHANGES = {"agent_bess": {}, "weak_grid": {"site": {"grid": {"import_limit_kw": 542}}}}


@pytest.fixture(scope="module", params=CHANGES)
def case(request, tmp_path_factory):
    """Return the overlay's name and the folder in which everything was run."""
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "tiny.yaml").write_text(TINY)
    (folder / "changes.yaml").write_text(yaml.safe_dump(CHANGES[request.param]))
    params_file = folder / "params.yaml"
    params_file.write_bytes((ROOT / "params.yaml").read_bytes())
    for overlay in (ROOT / "study" / "params" / f"{request.param}.yaml", folder / "tiny.yaml", folder / "changes.yaml"):
        write_overlaid(params_file, overlay, params_file)
    with contextlib.chdir(folder):
        params = load_params(params_file)
        build_dataset(params, DATA, METRICS)
        write_references(params)
        for name in BASELINES:
            evaluate_baseline(name, params)
        evaluate_rules(params)
        evaluate_peak_shaving(params)
        compare_present(params, folder / "compared.json")
    return request.param, folder


def test_every_policy_without_a_model_is_certified_and_compared(case):
    _, folder = case
    compared = read_json(folder / "compared.json")
    assert set(compared["policies"]) == {*BASELINES, *TWIN_ONLY}
    for name in (*BASELINES, *TWIN_ONLY):
        result = read_json(folder / "metrics" / f"result_{name.upper()}.json")
        assert all(part["max_abs_deviation"] == 0.0 for part in result["certification"].values())


def test_no_policy_beats_the_optimum_and_the_bound_is_below_it(case):
    _, folder = case
    years = read_json(folder / "metrics" / "references.json")["years"]
    for year in years.values():
        for figure in FIGURES:
            assert year[f"bound_{figure}"] <= year[f"optimum_{figure}"] + ROUNDING
    for name in (*BASELINES, *TWIN_ONLY):
        for run in read_json(folder / "metrics" / f"result_{name.upper()}.json")["runs"]:
            for figure in FIGURES:
                assert run["adjusted"][figure] >= years[str(run["year"])][f"optimum_{figure}"] - ROUNDING


def test_what_makes_the_site_another_one_shows(case):
    name, folder = case
    required = read_json(folder / "metrics" / "result_REQUIRED.json")
    uncontrolled = read_json(folder / "metrics" / "result_UNCONTROLLED.json")
    if name == "weak_grid":
        assert max(uncontrolled["peak_import_kw"], required["peak_import_kw"]) <= 542 + 1e-6
    if name == "agent_bess":
        assert required["demand_cost_usd"] > 0.0
        assert read_json(folder / "metrics" / "result_PEAK_SHAVING.json")["status"] == "complete"
    else:
        series = (folder / "metrics" / "simulations" / "timeseries_REQUIRED.csv").read_text().splitlines()
        column = series[0].split(",").index("bess_discharge_kwh")
        assert {float(line.split(",")[column]) for line in series[1:]} == {0.0}
