"""What `make repro` says at its end, from hand-written runs in a git repository."""

import io
import json

import pytest
import yaml
from rich.console import Console

from iquitos_citylearn.params import load_params
from iquitos_citylearn.runtime.artifacts import ArtifactError
from iquitos_citylearn.stages.compare import result_files, write_comparison
from iquitos_citylearn.tools.run_report import report, same_as_committed
from tests.comparison.test_compare import write_results
from tests.defaults import PARAMS
from tests.pipelines import commit, run

CODE = "src/iquitos_citylearn/site/pv.py"
ENVIRONMENT = {"python": "3.11.7", "packages": {"numpy": "1.26.4"}, "cpu": "Intel"}


def lock(data="d1", result="r1", machine="m1", code="c1", raw="w1", year=2023):
    def item(path, md5):
        return {"path": path, "hash": "md5", "md5": md5, "size": 1}

    build = {
        "cmd": "iquitos build-dataset",
        "deps": [item("data/raw", raw), item(CODE, code)],
        "params": {"params.yaml": {"site": {"calendar": {"year": year}, "bess": None}}},
        "outs": [item("data/site", data)],
    }
    compare = {
        "cmd": "iquitos compare",
        "deps": [item("data/site", data)],
        "outs": [item("metrics/comparison.json", result), item("metrics/environment.json", machine)],
    }
    return {"schema": "2.0", "stages": {"build_dataset": build, "compare": compare}}


def write_run(folder, environment=ENVIRONMENT, **digests):
    (folder / "metrics").mkdir(exist_ok=True)
    (folder / "dvc.lock").write_text(yaml.safe_dump(lock(**digests)))
    (folder / "metrics" / "environment.json").write_text(json.dumps(environment))


@pytest.fixture
def folder(tmp_path):
    run(tmp_path, "git", "init", "--quiet")
    write_run(tmp_path)
    commit(tmp_path, "a run")
    return tmp_path


def test_equal_bytes_are_said_whatever_the_machine(folder):
    write_run(folder, ENVIRONMENT | {"cpu": "AMD"}, machine="m2")
    commit_said = run(folder, "git", "log", "-1", "--format=%h of %cs").strip()
    assert same_as_committed(folder) == f"All 2 results have the bytes of the committed run ({commit_said})."


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"year": 2022}, "params: site.calendar.year 2023 -> 2022"),
        ({"code": "c2"}, f"code: {CODE}"),
        ({"raw": "w2"}, "your data: data/raw"),
        ({"environment": ENVIRONMENT | {"cpu": "AMD"}}, "processor: cpu Intel -> AMD"),
        (
            {"environment": ENVIRONMENT | {"packages": {"numpy": "2.0"}}},
            "versions and arithmetic: packages.numpy 1.26.4 -> 2.0",
        ),
    ],
)
def test_results_that_differ_are_named_with_what_has_changed(folder, change, reason):
    write_run(folder, **({"data": "d2", "result": "r2"} | change))
    first, *lines = same_as_committed(folder).splitlines()
    assert first.startswith("2 of 2 results differ from the committed run (")
    assert first.endswith("): data/site, metrics/comparison.json.")
    assert lines == ["What has changed since:", f"  {reason}"]


def test_a_difference_without_a_reason_is_no_small_matter(folder):
    write_run(folder, result="r2")
    assert "this should not be; please report it" in same_as_committed(folder)


def test_what_cannot_be_told_is_said(tmp_path):
    write_run(tmp_path)
    assert "git does not keep this folder" in same_as_committed(tmp_path)
    run(tmp_path, "git", "init", "--quiet")
    assert "the last commit holds no dvc.lock" in same_as_committed(tmp_path)


def test_the_screen_has_every_policy_with_units_the_files_and_the_verdict(folder):
    params = load_params(PARAMS)
    metrics = folder / "metrics"
    write_results(metrics)
    write_comparison(result_files(params, metrics), metrics / "references.json", params, metrics)
    console = Console(file=io.StringIO(), width=120)
    report(folder, console)
    said = console.file.getvalue()
    for words in ("policy", "CO2 [t]", "unmet [kWh]", "uncontrolled", "a2c", "metrics/comparison.md", "committed run"):
        assert words in said
    assert len(said.splitlines()) < 40, "one screen"


def test_a_run_without_a_comparison_is_named(folder):
    with pytest.raises(ArtifactError, match=r"metrics/comparison\.json: cannot be read"):
        report(folder, Console(file=io.StringIO()))
