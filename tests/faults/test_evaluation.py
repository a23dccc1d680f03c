"""`iquitos evaluate` as a process, killed while it computes and while it writes, and started again."""

import json
import os
import shutil
import signal
import subprocess

import pytest

from iquitos_citylearn.training.jobs import STALLED
from tests.faults.project import PROGRAM, prepare_evaluation

pytestmark = [pytest.mark.faults, pytest.mark.xdist_group("kills")]

EVALUATE = (*PROGRAM, "evaluate", "--policy", "uncontrolled")
N_ATTEMPTS = 30
STAGE = "stages: {baseline@uncontrolled: {cmd: iquitos, metrics: [metrics/result_UNCONTROLLED.json]}}"


def kill_when(happened, folder, is_early):
    """Kill an evaluation when something has happened; again from the start while it is over before it can be killed.

    It runs with low priority, so that on a busy machine this process gets to look.
    """
    for _ in range(N_ATTEMPTS):
        with (folder / "log.txt").open("wb") as stream:
            process = subprocess.Popen(("nice", "-n", "19", *EVALUATE), cwd=folder, stdout=stream, stderr=stream)
        while not happened() and process.poll() is None:
            pass
        process.kill()
        assert process.wait() in (0, -signal.SIGKILL), (folder / "log.txt").read_text()
        if is_early():
            return
        shutil.rmtree(folder / "metrics" / "simulations", ignore_errors=True)
        (folder / "metrics" / "result_UNCONTROLLED.json").unlink(missing_ok=True)
    pytest.fail("it was over every time before it could be killed")


def outputs(folder):
    metrics = folder / "metrics"
    return {path.relative_to(metrics).as_posix(): path.read_bytes() for path in metrics.rglob("*") if path.is_file()}


def test_a_killed_evaluation_started_again_gives_the_same_bytes(tmp_path):
    left_alone, killed = tmp_path / "left_alone", tmp_path / "killed"
    for folder in (left_alone, killed):
        folder.mkdir()
        prepare_evaluation(folder)
    subprocess.run(EVALUATE, cwd=left_alone, check=True, capture_output=True)
    before = outputs(killed)

    def computes():
        return "uncontrolled seed None" in (killed / "log.txt").read_text()

    def writes():
        folder = killed / "metrics" / "simulations"
        return folder.exists() and any(folder.iterdir())

    kill_when(computes, killed, lambda: outputs(killed) == before)
    kill_when(writes, killed, lambda: writes() and "result_UNCONTROLLED.json" not in outputs(killed))
    (killed / "dvc.yaml").write_text(STAGE)
    wide = os.environ | {"COLUMNS": "200"}
    status = subprocess.run((*PROGRAM, "status"), cwd=killed, check=False, capture_output=True, text=True, env=wide)
    assert status.returncode == 1
    assert "as if killed" in status.stdout
    subprocess.run(EVALUATE, cwd=killed, check=True, capture_output=True)
    assert outputs(killed) == outputs(left_alone)


@pytest.mark.parametrize(
    ("arguments", "name"), [(EVALUATE[len(PROGRAM) :], "baseline@uncontrolled"), (("references",), "references")]
)
def test_a_stage_that_takes_too_long_is_ended_and_says_where_it_stood(tmp_path, arguments, name):
    # A data set that is a pipe nobody writes to: reading it never ends, in this process or in one beside it.
    prepare_evaluation(tmp_path)
    schema = tmp_path / "data" / "site" / "schema.json"
    schema.unlink()
    os.mkfifo(schema)
    before = outputs(tmp_path)
    command = (*PROGRAM, *arguments)
    for hours in (0.002, 0.02, 0.2):  # a busy machine may take longer to get to the data set
        limited = os.environ | {"IQUITOS_MAX_HOURS": str(hours)}
        ended = subprocess.run(command, cwd=tmp_path, env=limited, capture_output=True, text=True, check=False)
        if "read_dataset" in ended.stderr:
            break
    assert ended.returncode == STALLED
    assert f"the watchdog ends {name}: it has run for {hours:.3f} h, its limit" in ended.stderr
    assert "read_dataset" in ended.stderr
    assert outputs(tmp_path) == before
    status = json.loads((tmp_path / "runs" / name / "status.json").read_text())
    assert status["state"] == "failed"
    assert "its limit" in status["error"]
