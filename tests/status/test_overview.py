"""What is said of stages that do not run, from hand-written dvc.yaml, dvc.lock, results and reports."""

import hashlib
import io
import json
import os

import pytest
import yaml
from rich.console import Console

from iquitos_citylearn.status import view
from iquitos_citylearn.status.overview import State, overview
from iquitos_citylearn.status.pipeline import read_pipeline
from iquitos_citylearn.status.reporting import read_report, reported

PIPELINE = """
stages:
  evaluate:
    foreach: {sac: SAC, ppo: PPO}
    do:
      cmd: iquitos evaluate --policy ${key}
      deps: ["models/${key}", src/evaluation.py]
      params: [reward, numerics.yaml: [numpy]]
      metrics:
        - metrics/result_${item}.json: {cache: false}
  train_sac: {cmd: iquitos train sac, deps: [data/site], outs: [models/sac]}
  train_ppo: {cmd: iquitos train ppo, deps: [data/site], outs: [models/ppo]}
  build_dataset: {cmd: iquitos build-dataset, deps: [data/raw], outs: [data/site]}
"""
ORDER = ["build_dataset", "train_sac", "evaluate@sac", "train_ppo", "evaluate@ppo"]
LONG_AGO_S, RECORDED_S, LATER_S = 1e9, 1.1e9, 1.2e9
RESULT = {"status": "complete", "co2_kg": 1234.5, "cost_usd": 678.9, "ev_service": 0.5, "runs": [{"seed": 0}]}


def md5(path):
    return hashlib.md5(path.read_bytes()).hexdigest()


def write(path, content, at=LONG_AGO_S):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    os.utime(path, (at, at))


def entry(command, deps, outs, **more):
    files = {"deps": deps, "outs": outs}
    return {"cmd": command, **{k: [{"path": p, "md5": m} for p, m in v.items()] for k, v in files.items()}, **more}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A pipeline that DVC has run to its end, in a clone: results are there, models are not."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "dvc.yaml", PIPELINE)
    write(tmp_path / "params.yaml", "reward: {scale: 5.0e-5, mode: fast, hours: [18, 19]}\n")
    write(tmp_path / "numerics.yaml", "numpy: 1.26.4\n")
    write(tmp_path / "src" / "evaluation.py", "print('hello')\n")
    (tmp_path / "data" / "raw").mkdir(parents=True)
    lock(tmp_path)
    for name in ("SAC", "PPO"):
        write(tmp_path / "metrics" / f"result_{name}.json", RESULT)
    return tmp_path


def lock(folder):
    # DVC writes YAML 1.2: 5e-05 is a number there, a text to PyYAML.
    params = {
        "params.yaml": {"reward": {"scale": 5e-05, "mode": "fast", "hours": [18, 19]}},
        "numerics.yaml": {"numpy": "1.26.4"},
    }
    module = {"src/evaluation.py": md5(folder / "src" / "evaluation.py")}
    stages = {"build_dataset": entry("iquitos build-dataset", {"data/raw": "r.dir"}, {"data/site": "s.dir"})}
    for name in ("sac", "ppo"):
        model, result = {f"models/{name}": f"{name}.dir"}, {f"metrics/result_{name.upper()}.json": "x"}
        stages[f"train_{name}"] = entry(f"iquitos train {name}", {"data/site": "s.dir"}, model)
        stages[f"evaluate@{name}"] = entry(f"iquitos evaluate --policy {name}", model | module, result, params=params)
    text = yaml.safe_dump({"schema": "2.0", "stages": stages}).replace("5.0e-05", "5e-05")
    assert "5e-05" in text
    write(folder / "dvc.lock", text, RECORDED_S)


def report(folder, stage, state, at, error=""):
    content = {"state": state, "pid": 1, "error": error, "stall_timeout_s": 60.0}
    write(folder / "runs" / stage / "status.json", content, at)


def states():
    return {status.name: status.state.value for status in overview()}


@pytest.mark.usefixtures("folder")
def test_the_stages_are_those_of_dvc_in_its_order():
    assert [stage.name for stage in read_pipeline()] == ORDER
    (stage,) = [stage for stage in read_pipeline() if stage.name == "evaluate@ppo"]
    assert stage.command == "iquitos evaluate --policy ppo"
    assert stage.outputs == ("metrics/result_PPO.json",)


@pytest.mark.usefixtures("folder")
def test_what_dvc_has_recorded_is_done_without_any_status_file():
    assert set(states().values()) == {"done"}
    details = {status.name: status.details for status in overview()}
    assert details["evaluate@sac"] == "CO2 1.23 t, cost 0.679 kUSD, EV service 50.00 %"
    assert details["train_sac"] == "models/sac: not here; `dvc pull` brings what dvc.lock has recorded"


@pytest.mark.parametrize(
    ("file", "content", "waiting"),
    [
        ("params.yaml", "reward: {scale: 5.0e-5, mode: slow, hours: [18, 19]}", {"evaluate@sac", "evaluate@ppo"}),
        ("params.yaml", "reward: {", {"evaluate@sac", "evaluate@ppo"}),
        ("numerics.yaml", "numpy: 2.0.0", {"evaluate@sac", "evaluate@ppo"}),
        ("src/evaluation.py", "print('changed')", {"evaluate@sac", "evaluate@ppo"}),
        ("metrics/result_SAC.json", RESULT | {"status": "minimal"}, {"evaluate@sac"}),
        ("metrics/result_SAC.json", "{", {"evaluate@sac"}),
        ("dvc.lock", "stages: {build", set(ORDER)),
        ("dvc.yaml", PIPELINE.replace("train ppo", "train ppo --more"), {"train_ppo", "evaluate@ppo"}),
    ],
)
def test_what_is_not_of_the_present_inputs_waits_and_so_does_what_needs_it(folder, file, content, waiting):
    write(folder / file, content)
    assert {name for name, state in states().items() if state == "waiting"} == waiting


def test_a_stage_waits_while_what_it_needs_has_run_since_dvc_recorded_it(folder):
    report(folder, "train_sac", "done", LATER_S)
    assert states() == dict.fromkeys(ORDER, "done") | {"evaluate@sac": "waiting"}
    report(folder, "evaluate@sac", "done", LATER_S + 1)
    assert set(states().values()) == {"done"}
    report(folder, "train_sac", "done", LATER_S + 2)
    assert states()["evaluate@sac"] == "waiting"


def test_a_failure_says_why_until_its_outputs_are_newer(folder):
    report(folder, "train_sac", "failed", LATER_S, error="step 7: the loss is not finite")
    (status,) = [status for status in overview() if status.name == "train_sac"]
    assert (status.state, status.details) == (State.FAILED, "step 7: the loss is not finite")
    assert states()["evaluate@sac"] == "waiting"
    (folder / "models" / "sac").mkdir(parents=True)  # as `dvc checkout` does
    os.utime(folder / "models" / "sac", (LATER_S + 1,) * 2)
    assert states() == dict.fromkeys(ORDER, "done")


def test_a_running_stage_whose_process_is_gone_has_failed(folder):
    report(folder, "train_sac", "running", LATER_S)
    (status,) = [status for status in overview() if status.name == "train_sac"]
    assert (status.state, status.details) == (State.FAILED, "process 1 ended without a word, as if killed")


@pytest.mark.usefixtures("folder")
def test_a_block_reports_that_it_runs_is_done_or_has_failed():
    with reported("train_sac"):
        assert states()["train_sac"] == "running"
        assert states()["evaluate@sac"] == "waiting"
        with reported("train_sac"):  # another process would find the lock held, as this one does
            pass
        assert read_report("train_sac").pid == os.getpid()
    assert read_report("train_sac").state == "done"
    with pytest.raises(ZeroDivisionError), reported("train_sac"):
        _ = 1 / 0
    assert (read_report("train_sac").state, read_report("train_sac").error) == ("failed", "division by zero")


def test_exit_statuses(folder):
    console = Console(file=io.StringIO(), width=120)

    def look():
        return view.show(console), view.watch(console, interval_s=0.01, timeout_s=3.0)

    assert look() == (0, 0)
    (folder / "metrics" / "result_PPO.json").unlink()
    before = console.file.getvalue().count("evaluate@ppo")
    assert look() == (2, 3)
    assert console.file.getvalue().count("evaluate@ppo") >= before + 3, "a table at each look"
    report(folder, "train_sac", "failed", LATER_S)
    assert look() == (1, 1)


@pytest.mark.parametrize("content", ["", "stages: 3", "stages: {a: {deps: []}}", "{", "stages: {a: 1}"])
def test_what_is_no_pipeline_is_named(folder, content):
    write(folder / "dvc.yaml", content)
    with pytest.raises(ValueError, match=r"dvc\.yaml: is no pipeline of DVC"):
        overview()


def test_another_folder_is_named(folder, monkeypatch):
    monkeypatch.chdir(folder / "src")
    with pytest.raises(ValueError, match=r"dvc\.yaml: cannot be read: .*; is this the project's folder\?"):
        overview()
