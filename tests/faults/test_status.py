"""`iquitos status` beside real trainings that run, stand still, are killed and come to their end."""

import os
import re
import signal
import time

import pytest

from tests.faults.project import LIMIT_S, POLL_S

pytestmark = [pytest.mark.faults, pytest.mark.xdist_group("kills")]


def status(project, *options):
    """Return the exit status of `iquitos status`, and the state and details of the training."""
    done = project.run("status", *options, env=os.environ | {"COLUMNS": "200"})
    assert not done.stderr, done.stderr
    lines = [[cell.strip() for cell in line.split("│")] for line in done.stdout.splitlines() if "│" in line]
    texts, name = {}, ""
    for _, stage, state, details, _ in lines:
        name = stage or name
        texts[name] = f"{texts.get(name, '')} {state} {details}".strip()
    assert list(texts) == ["train_ppo", "evaluate@ppo"]
    return done.returncode, texts["train_ppo"]


def test_waiting_running_stalled_killed_done(project):
    assert status(project) == (2, "waiting")

    process = project.start()
    project.wait_for_checkpoint(process)
    time.sleep(1)  # a status file a second
    os.killpg(process.pid, signal.SIGSTOP)  # it shall not come to its end while it is looked at
    code, said = status(project)
    assert code == 2
    assert said.startswith(f"running process {process.pid}")
    assert "seed 0: step " in said
    assert " of 4,800, " in said
    assert re.search(r" steps/s, \d+ min .*left, last checkpoint at ", said)
    assert project.train()[0] == 1, "a second trainer"
    assert status(project)[1].startswith(f"running process {process.pid}"), "the first one runs on"

    for file in (project.folder / "runs" / "train_ppo").glob("*.json"):
        os.utime(file, times=(time.time() - 1000,) * 2)  # as if it had stood still since then
    code, said = status(project)
    assert code == 2
    assert re.match(rf"stalled process {process.pid} has said nothing for 1\d min", said)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert status(project) == (1, f"failed process {process.pid} ended without a word, as if killed")
    assert status(project, "--watch")[0] == 1

    assert project.train()[0] == 0
    # What follows waits for its own run.
    assert status(project) == (2, "done seeds: 1, 4,800 steps each")
    assert status(project, "--watch", "--interval", "0.1", "--timeout", "0.3")[0] == 3


def test_a_failure_says_why_and_a_later_result_outdates_it(project):
    process = project.start("--max-hours", "0")
    assert process.wait(LIMIT_S) > 0
    code, said = status(project)
    assert code == 1
    assert said.startswith("failed the watchdog ends the training: the training has run for 0.00 h, its limit")
    time.sleep(POLL_S)
    (project.folder / "models" / "ppo").mkdir(parents=True)  # as `dvc pull` brings it
    assert status(project) == (2, "waiting")
