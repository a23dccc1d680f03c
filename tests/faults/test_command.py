"""`iquitos train` as a process: its signals, its lock, its watchdog, its exit statuses."""

import itertools
import json
import os
import re
import signal

import pytest

from iquitos_citylearn.training.jobs import STALLED
from tests.faults.project import LIMIT_S
from tests.trainings import ends

pytestmark = [pytest.mark.faults, pytest.mark.xdist_group("command")]


def test_signals_second_trainer_orphan_and_the_same_bytes(project, left_alone):
    first = project.start()
    project.wait_for_checkpoint(first)
    os.killpg(first.pid, signal.SIGSTOP)  # it shall not come to its end while another one tries
    status, said = project.train()
    os.killpg(first.pid, signal.SIGCONT)
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
    assert ends(worker, LIMIT_S), "a training process goes on without its parent"

    status, _ = project.train()
    assert status == 0, project.said()
    steps = [int(step) for step in re.findall(r"(?:started|resumed) at step (\d+)", project.said())]
    assert steps[:2] == [0, stopped_at]
    assert all(later > earlier for earlier, later in itertools.pairwise(steps)), steps
    assert project.status()["state"] == "done"
    assert not list(project.checkpoints.glob("seed_*/"))

    models = project.folder / "models" / "ppo"
    assert sorted(path.name for path in models.iterdir()) == ["ppo_progress.csv", "seed_0.zip", "training.json"]
    assert (models / "seed_0.zip").read_bytes() == left_alone.payload
    assert json.loads((models / "training.json").read_text()) == {"seed_0": left_alone.header["record"]}


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
    assert re.search(r"seed 0 has made no step for \d+ s; stacks of seed 0, process \d+:", said)
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
