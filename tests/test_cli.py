import json
import logging
import os
import shutil
import subprocess
import sys

import pytest
import yaml

from iquitos_citylearn.cli import main
from tests.comparison.test_compare import write_results
from tests.defaults import PARAMS
from tests.test_params import changed

COMMANDS = ("build-dataset", "references", "rules", "train", "evaluate", "policies", "trace", "compare", "status")


@pytest.fixture
def iquitos(monkeypatch, capsys, tmp_path):
    """A function that runs the program in an empty folder and returns exit status, output and errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(logging, "basicConfig", lambda **_: None)  # the program's log would outlive the test

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["iquitos", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return ended.value.code, said.out, said.err

    return run


def results_in(folder):
    """Return what stands in a folder besides the status files."""
    return sorted(path.name for path in folder.iterdir() if path.name != "runs")


def write_params(folder, **changes):
    (folder / "params.yaml").write_text(yaml.safe_dump(changed(**changes)), encoding="utf-8")


def test_help_lists_the_commands(iquitos):
    code, out, _ = iquitos("--help")
    assert code == 0
    assert all(command in out for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help(iquitos, command):
    code, out, _ = iquitos(command, "--help")
    assert code == 0
    assert command in out


def test_an_unknown_agent_lists_the_valid_ones(iquitos, tmp_path):
    shutil.copyfile(PARAMS, tmp_path / "params.yaml")
    code, out, err = iquitos("train", "dqn")
    assert (code, out) == (2, "")
    for name in ("dqn", "sac", "ppo", "a2c"):
        assert name in err
    assert "uncontrolled" not in err
    assert results_in(tmp_path) == ["params.yaml"]


def test_an_unknown_policy_lists_the_valid_ones(iquitos, tmp_path):
    shutil.copyfile(PARAMS, tmp_path / "params.yaml")
    code, _, err = iquitos("evaluate", "--policy", "best")
    assert code == 2
    for name in ("best", "sac", "ppo", "a2c", "uncontrolled", "required"):
        assert name in err


@pytest.mark.parametrize(
    "arguments", [("build-dataset",), ("train", "ppo"), ("evaluate", "--policy", "uncontrolled"), ("trace", "sac")]
)
def test_wrong_params_are_one_message_and_nothing_is_written(iquitos, tmp_path, arguments):
    write_params(tmp_path, site__bess__power_kw=-1, train__sac__device="gpu")
    code, out, err = iquitos(*arguments)
    assert (code, out) == (1, "")
    assert err.splitlines() == [
        "error: params.yaml: 2 problem(s)",
        "  site.bess.power_kw is -1: Input should be greater than 0",
        "  train.sac.device is 'gpu': Input should be 'auto', 'cpu' or 'cuda'",
    ]
    assert results_in(tmp_path) == ["params.yaml"]


def test_missing_params_are_one_message(iquitos, tmp_path):
    code, _, err = iquitos("train", "sac")
    assert code == 1
    assert err == "error: params.yaml: cannot be read: No such file or directory\n"
    assert results_in(tmp_path) == []


def test_a_missing_data_set_is_one_message_and_nothing_is_written(iquitos, tmp_path):
    shutil.copyfile(PARAMS, tmp_path / "params.yaml")
    code, out, err = iquitos("evaluate", "--policy", "uncontrolled")
    assert (code, out) == (1, "")
    assert err.startswith("error: ")
    assert "data/site/schema.json" in err
    assert "Traceback" not in err
    assert results_in(tmp_path) == ["params.yaml"]


def test_an_untrained_agent_is_one_message(iquitos, tmp_path):
    shutil.copyfile(PARAMS, tmp_path / "params.yaml")
    code, _, err = iquitos("evaluate", "--policy", "sac")
    assert code == 1
    assert err.startswith("error: models/sac")
    assert results_in(tmp_path) == ["params.yaml"]


def test_a_model_or_a_record_that_is_not_there_is_one_message(iquitos, tmp_path):
    shutil.copyfile(PARAMS, tmp_path / "params.yaml")
    folder = tmp_path / "models" / "sac"
    folder.mkdir(parents=True)
    for records, message in (
        ({"seed_0": {}}, "training.json: says nothing of seed 1; `dvc repro train_sac` trains it"),
        (
            {f"seed_{seed}": {} for seed in range(3)},
            "seed_0.zip: no model; `dvc repro train_sac` trains it, `dvc pull`",
        ),
    ):
        (folder / "training.json").write_text(json.dumps(records))
        code, _, err = iquitos("evaluate", "--policy", "sac")
        assert code == 1
        assert err.startswith(f"error: models/sac/{message}")


def test_comparing_nothing_names_every_missing_result_and_writes_nothing(iquitos, tmp_path):
    shutil.copyfile(PARAMS, tmp_path / "params.yaml")
    code, out, err = iquitos("compare")
    assert (code, out) == (1, "")
    for name in ("UNCONTROLLED", "REQUIRED", "LATEST", "SAC", "PPO", "A2C"):
        assert f"metrics/result_{name}.json: cannot be read" in err
    assert results_in(tmp_path) == ["params.yaml"]


@pytest.fixture
def compared(iquitos, tmp_path):
    """Return the bytes of a comparison after which one result went missing."""
    shutil.copyfile(PARAMS, tmp_path / "params.yaml")
    metrics = tmp_path / "metrics"
    write_results(metrics)
    assert iquitos("compare")[0] == 0
    (metrics / "result_PPO.json").unlink()
    return {path.name: path.read_bytes() for path in metrics.iterdir() if path.is_file()}


def test_a_missing_result_stops_the_comparison_and_leaves_the_last_one(iquitos, tmp_path, compared):
    code, out, err = iquitos("compare")
    assert (code, out) == (1, "")
    assert "metrics/result_PPO.json: cannot be read: No such file" in err
    assert {path.name: path.read_bytes() for path in (tmp_path / "metrics").iterdir() if path.is_file()} == compared


def test_what_is_complete_is_compared_on_demand_and_the_absent_are_named(iquitos, tmp_path, compared):
    code, out, _ = iquitos("compare", "--allow-missing", "--out", "partial.json")
    assert code == 0
    assert "| ppo" not in out
    assert "absent: metrics/result_PPO.json: cannot be read" in out
    partial = json.loads((tmp_path / "partial.json").read_text())
    assert list(partial["absent"]) == ["result_PPO.json"]
    whole = json.loads(compared["comparison.json"])
    assert partial["policies"].keys() == whole["policies"].keys() - {"ppo"}
    assert partial["policies"]["sac"]["co2_kg"] == whole["policies"]["sac"]["co2_kg"]
    assert {path.name: path.read_bytes() for path in (tmp_path / "metrics").iterdir() if path.is_file()} == compared


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--allow-missing",), 2, "--allow-missing and --out FILE belong together"),
        (("--out", "x.json"), 2, "--allow-missing and --out FILE belong together"),
        (("--allow-missing", "--out", "metrics/comparison.json"), 1, "is for the comparison of all policies"),
    ],
)
def test_a_partial_comparison_never_takes_the_place_of_a_whole_one(iquitos, tmp_path, arguments, code, message):
    shutil.copyfile(PARAMS, tmp_path / "params.yaml")
    returned, out, err = iquitos("compare", *arguments)
    assert (returned, out) == (code, "")
    assert message in err
    assert results_in(tmp_path) == ["params.yaml"]


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_what_nobody_reads_fails_nothing(stream):
    code = f"import sys; from iquitos_citylearn import cli; cli.app = lambda: sys.{stream}.write('unread'); cli.main()"
    reading, writing = os.pipe()
    os.close(reading)
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    ended = subprocess.run([sys.executable, "-c", code], check=False, env=buffered, **{stream: writing})
    os.close(writing)
    assert ended.returncode == 0
