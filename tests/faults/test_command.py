"""`iquitos train` as a process: its signals, its lock, its watchdog, its exit statuses."""

import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
import yaml

from iquitos_citylearn.agents.jobs import FINISHED, STALLED
from iquitos_citylearn.agents.sealed_file import read_sealed
from tests.trainings import job_in, tiny_params, training_process

pytestmark = [pytest.mark.faults, pytest.mark.xdist_group("faults")]

COMMAND = (sys.executable, "-c", "from iquitos_citylearn.cli import main; main()", "train", "ppo")
POLL_S = 0.02
LIMIT_S = 120
LONGER = {"total_timesteps": 9600, "checkpoint_every": 200}


class Project:
    """A folder in which PPO is trained by the command line."""

    def __init__(self, folder, params, training_folder, **changes):
        self.folder = folder
        content = tiny_params(params, "ppo", **changes).model_dump(mode="json")
        (folder / "params.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
        (folder / "data").mkdir()
        (folder / "data" / "training").symlink_to(training_folder)
        self.checkpoints = folder / "checkpoints" / "ppo"
        self.log = folder / "log.txt"
        self.processes = []

    def start(self, *options):
        with self.log.open("ab") as log:
            command = (*COMMAND, "--checkpoint-period", "0.1", *options)
            process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log, start_new_session=True)
        self.processes.append(process)
        return process

    def train(self, *options):
        """Train to the end; return the exit status and what was logged."""
        before = len(self.said())
        status = self.start(*options).wait(LIMIT_S)
        return status, self.said()[before:]

    def said(self):
        return self.log.read_text(encoding="utf-8") if self.log.exists() else ""

    def newest_step(self):
        steps = sorted(self.checkpoints.glob("seed_0/step_*.sealed"))
        return int(steps[-1].stem.removeprefix("step_")) if steps else 0

    def status(self):
        return json.loads((self.folder / "runs" / "train_ppo" / "seed_0.json").read_text())

    def wait_for_checkpoint(self, process):
        before = self.newest_step()
        while self.newest_step() <= before:
            assert process.poll() is None, self.said()
            time.sleep(POLL_S)

    def end(self):
        for process in self.processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@pytest.fixture
def project(tmp_path, params, training_folder):
    made = Project(tmp_path, params, training_folder, **LONGER)
    yield made
    made.end()


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_signals_second_trainer_orphan_and_the_same_bytes(project, params, training_folder, tmp_path):
    first = project.start()
    project.wait_for_checkpoint(first)
    status, said = project.train()
    assert status == 1
    assert f"process {first.pid} trains here already" in said
    assert f"`kill {first.pid}`" in said

    first.send_signal(signal.SIGTERM)
    assert first.wait(LIMIT_S) == 128 + signal.SIGTERM
    assert "error: stopped by SIGTERM" in project.said()
    assert project.status()["state"] == "stopped"
    stopped_at = int(re.findall(r"stopped by SIGTERM at step (\d+)", project.said())[0])
    assert project.newest_step() == stopped_at

    second = project.start()
    project.wait_for_checkpoint(second)
    worker = project.status()["pid"]
    second.kill()
    second.wait()
    deadline = time.monotonic() + LIMIT_S
    while is_alive(worker) and time.monotonic() < deadline:
        time.sleep(POLL_S)
    assert not is_alive(worker), "a training process goes on without its parent"

    status, _ = project.train()
    assert status == 0, project.said()
    steps = [int(step) for step in re.findall(r"(?:started|resumed) at step (\d+)", project.said())]
    assert steps[:2] == [0, stopped_at]
    assert all(later > earlier for earlier, later in itertools.pairwise(steps)), steps
    assert project.status()["state"] == "done"
    assert not list(project.checkpoints.glob("seed_*/"))

    left_alone = job_in(tmp_path / "left_alone", "ppo", params, training_folder, **LONGER)
    process = training_process(left_alone, tmp_path / "left_alone.txt")
    process.join()
    expected = read_sealed(left_alone.checkpoint_folder / FINISHED)
    models = project.folder / "models" / "ppo"
    assert sorted(path.name for path in models.iterdir()) == ["ppo_progress.csv", "seed_0.zip", "training.json"]
    assert (models / "seed_0.zip").read_bytes() == expected.payload
    assert json.loads((models / "training.json").read_text()) == {"seed_0": expected.header["record"]}


def test_interrupt_to_the_whole_group_then_from_scratch(project):
    process = project.start()
    project.wait_for_checkpoint(process)
    os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C on a terminal does
    assert process.wait(LIMIT_S) == 128 + signal.SIGINT
    assert project.newest_step() > 0
    assert not (project.folder / "models").exists()

    process = project.start("--from-scratch")
    project.wait_for_checkpoint(process)
    os.killpg(process.pid, signal.SIGKILL)
    assert re.findall(r"(started|resumed) at step", project.said()) == ["started", "started"]


def test_watchdog_ends_a_training_that_stands_still(project, tmp_path):
    # A year that is a pipe nobody writes to: reading it never ends.
    (tmp_path / "data" / "training").unlink()
    hanging = tmp_path / "data" / "training" / "1"
    hanging.mkdir(parents=True)
    os.mkfifo(hanging / "series.parquet")
    status, said = project.train("--stall-timeout", "20")
    assert status == STALLED
    assert re.search(r"seed 0 has made no step for 2\d s; stacks of seed 0, process \d+:", said)
    assert "most recent call first" in said
    assert "error: the watchdog ends the training" in said


def test_watchdog_ends_a_training_that_takes_too_long(project):
    first = project.start()
    project.wait_for_checkpoint(first)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    status, said = project.train("--max-hours", "0.0001")
    assert status == STALLED
    assert "its limit" in said
    assert project.newest_step() > 0
