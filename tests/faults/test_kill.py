"""Real training processes, killed at random moments and started again: the same bytes as one that was left alone."""

import itertools
import random
import re
import signal
import time

import psutil
import pytest

from iquitos_citylearn.training.jobs import FINISHED
from iquitos_citylearn.training.sealed_file import read_sealed
from tests.trainings import TINY, job_in, training_process

pytestmark = [pytest.mark.faults, pytest.mark.xdist_group("kills")]

POLL_S = 0.005
LONGER = {
    "sac": {"total_timesteps": 900, "n_envs": 3},
    "ppo": {"total_timesteps": 4800, "checkpoint_every": 200},
    "a2c": {"total_timesteps": 4800, "checkpoint_every": 200},
}
"""Trainings of a few seconds, much of which goes into checkpoints, so that kills hit these too."""
N_KILLS = 3


def newest_step(job):
    steps = sorted(job.checkpoint_folder.glob("step_*.sealed"))
    return int(steps[-1].stem.removeprefix("step_")) if steps else 0


def kill_after_next_checkpoint(process, job, delay_s):
    before = newest_step(job)
    while newest_step(job) <= before:
        assert process.is_alive(), "the training was over before it could be killed"
        time.sleep(POLL_S)
    time.sleep(delay_s)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL


def half_written(job):
    return set(job.checkpoint_folder.glob(".*.tmp"))


def kill_during_next_write(process, job):
    """Leave a file half written: what was whole before the process had stopped is passed by."""
    training = psutil.Process(process.pid)
    while True:
        while not any(job.checkpoint_folder.glob(".*.tmp")):
            assert process.is_alive(), "the training was over before it could be killed"
        training.suspend()
        while training.status() != psutil.STATUS_STOPPED:
            time.sleep(POLL_S)
        if any(job.checkpoint_folder.glob(".*.tmp")):
            break
        training.resume()
    process.kill()
    process.join()


@pytest.mark.parametrize("agent", TINY)
def test_killed_at_random_moments_gives_the_same_bytes(params, training_folder, tmp_path, agent):
    left_alone = job_in(tmp_path / "left_alone", agent, params, training_folder, **LONGER[agent])
    process = training_process(left_alone, tmp_path / "left_alone.txt")
    process.join()
    assert process.exitcode == 0, (tmp_path / "left_alone.txt").read_text()

    job, log, rng = (
        job_in(tmp_path / "killed", agent, params, training_folder, **LONGER[agent]),
        tmp_path / "log",
        random.Random(1),
    )
    for _ in range(N_KILLS):
        kill_after_next_checkpoint(training_process(job, log), job, rng.uniform(0, 0.1))
    kill_during_next_write(training_process(job, log), job)
    process = training_process(job, log)
    process.join()
    assert process.exitcode == 0, log.read_text()
    assert not half_written(job)

    steps = [int(step) for step in re.findall(r"(?:started|resumed) at step (\d+)", log.read_text())]
    assert steps[0] == 0
    assert all(step > 0 for step in steps[1:]), steps
    assert all(later >= earlier for earlier, later in itertools.pairwise(steps)), steps
    assert len(steps) == N_KILLS + 2
    finished, expected = (read_sealed(item.checkpoint_folder / FINISHED) for item in (job, left_alone))
    assert finished.payload == expected.payload
    assert finished.header["curve"] == expected.header["curve"]
    assert finished.header["record"] == expected.header["record"]
