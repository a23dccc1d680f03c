"""The sites of the study, small: every stage but the trainings, on each overlay."""

import contextlib

import pytest
import yaml

from iquitos_citylearn.evaluation.key_figures import PARTS_OF_COST
from iquitos_citylearn.params import load_params
from iquitos_citylearn.policies.register import Kind, baselines, policies_of
from iquitos_citylearn.runtime.artifacts import read_json
from iquitos_citylearn.runtime.folders import DATA, METRICS
from iquitos_citylearn.stages.baseline import evaluate_baseline
from iquitos_citylearn.stages.build_dataset import build_dataset
from iquitos_citylearn.stages.compare import compare_present
from iquitos_citylearn.stages.references import write_references
from iquitos_citylearn.stages.rules import evaluate_rules
from iquitos_citylearn.tools.overlay import write_overlaid
from tests.defaults import PARAMS, ROOT
from tests.pipelines import TINY

pytestmark = pytest.mark.xdist_group("overlays")

FIGURES = ("co2_kg", "cost_usd")
ROUNDING = 1e-3
"""Kilogrammes and dollars: data sets hold energies and SOCs in float32."""
# The load alone takes up to 540 kW on these days.
CHANGES = {"demand_charge": {}, "weak_grid": {"site": {"grid": {"import_limit_kw": 542}}}}


@pytest.fixture(scope="module", params=CHANGES)
def case(request, tmp_path_factory):
    """Return the overlay's name, the folder in which everything was run, and the policies."""
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "tiny.yaml").write_text(TINY)
    (folder / "changes.yaml").write_text(yaml.safe_dump(CHANGES[request.param]))
    params_file = folder / "params.yaml"
    params_file.write_bytes(PARAMS.read_bytes())
    for overlay in (ROOT / "study" / "params" / f"{request.param}.yaml", folder / "tiny.yaml", folder / "changes.yaml"):
        write_overlaid(params_file, overlay, params_file)
    with contextlib.chdir(folder):
        params = load_params(params_file)
        build_dataset(params, DATA, METRICS)
        write_references(params)
        for entry in baselines(params):
            evaluate_baseline(entry.name, params)
        evaluate_rules(params)
        compare_present(params, folder / "compared.json")
    return request.param, folder, [entry for entry in policies_of(params) if entry.kind is not Kind.AGENT]


def test_every_policy_without_a_model_is_certified_and_compared(case):
    _, folder, policies = case
    compared = read_json(folder / "compared.json")
    assert list(compared["policies"]) == [entry.name for entry in policies]
    for entry in policies:
        result = read_json(folder / "metrics" / f"result_{entry.result_name}.json")
        assert (result["policy"], result["kind"]) == (entry.name, entry.kind)
        assert all(part["max_abs_deviation"] == 0.0 for part in result["certification"].values())


def test_no_policy_beats_the_optimum_and_the_bound_is_below_it(case):
    _, folder, policies = case
    years = read_json(folder / "metrics" / "references.json")["years"]
    for year in years.values():
        for figure in FIGURES:
            assert year[f"bound_{figure}"] <= year[f"optimum_{figure}"] + ROUNDING
    for entry in policies:
        for run in read_json(folder / "metrics" / f"result_{entry.result_name}.json")["runs"]:
            for figure in FIGURES:
                assert run["adjusted"][figure] >= years[str(run["year"])][f"optimum_{figure}"] - ROUNDING


def test_what_makes_the_site_another_one_shows(case):
    name, folder, policies = case
    required = read_json(folder / "metrics" / "result_REQUIRED.json")
    uncontrolled = read_json(folder / "metrics" / "result_UNCONTROLLED.json")
    if name == "weak_grid":
        assert max(uncontrolled["peak_import_kw"], required["peak_import_kw"]) <= 542 + 1e-6
    if name == "demand_charge":
        parts = [required[part] for part in PARTS_OF_COST]
        assert all(part > 0.0 for part in parts)
        assert sum(parts) == pytest.approx(required["cost_usd"])
        assert {"level", "mpc", "rollout"} <= {entry.name for entry in policies}
    else:
        series = (folder / "metrics" / "simulations" / "timeseries_REQUIRED.csv").read_text().splitlines()
        column = series[0].split(",").index("bess_discharge_kwh")
        assert {float(line.split(",")[column]) for line in series[1:]} == {0.0}
