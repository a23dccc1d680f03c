import logging
import shutil
import sys
from pathlib import Path

import pytest
import yaml

from iquitos_citylearn.cli import main
from tests.test_params import changed

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = ("build-dataset", "references", "train", "evaluate", "trace", "compare")


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
    code, out, err = iquitos("train", "dqn")
    assert (code, out) == (2, "")
    for name in ("dqn", "sac", "ppo", "a2c"):
        assert name in err
    assert "uncontrolled" not in err
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_policy_lists_the_valid_ones(iquitos):
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
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]


def test_missing_params_are_one_message(iquitos, tmp_path):
    code, _, err = iquitos("train", "sac")
    assert code == 1
    assert err == "error: params.yaml: cannot be read: No such file or directory\n"
    assert list(tmp_path.iterdir()) == []


def test_a_missing_data_set_is_one_message_and_nothing_is_written(iquitos, tmp_path):
    shutil.copyfile(ROOT / "params.yaml", tmp_path / "params.yaml")
    code, out, err = iquitos("evaluate", "--policy", "uncontrolled")
    assert (code, out) == (1, "")
    assert err.startswith("error: ")
    assert "data/site/schema.json" in err
    assert "Traceback" not in err
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]


def test_an_untrained_agent_is_one_message(iquitos, tmp_path):
    shutil.copyfile(ROOT / "params.yaml", tmp_path / "params.yaml")
    code, _, err = iquitos("evaluate", "--policy", "sac")
    assert code == 1
    assert err.startswith("error: models/sac")
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]


def test_comparing_nothing_names_every_missing_result_and_writes_nothing(iquitos, tmp_path):
    shutil.copyfile(ROOT / "params.yaml", tmp_path / "params.yaml")
    code, out, err = iquitos("compare")
    assert (code, out) == (1, "")
    for name in ("UNCONTROLLED", "REQUIRED", "LATEST", "SAC", "PPO", "A2C"):
        assert f"metrics/result_{name}.json: cannot be read" in err
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]
