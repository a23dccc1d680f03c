"""Trainings of a few seconds, for tests."""

import os
import sys
import time
from multiprocessing.process import BaseProcess
from multiprocessing.sharedctypes import RawValue
from pathlib import Path

from iquitos_citylearn.params import Params
from iquitos_citylearn.runtime.processes import fresh_processes
from iquitos_citylearn.training.jobs import SeedJob
from iquitos_citylearn.training.worker import TRAINING, run_worker

POLL_S = 0.02
TINY = {
    "sac": {
        "total_timesteps": 400,
        "n_envs": 1,
        "kwargs": {
            "learning_rate": 3e-4,
            "learning_starts": 60,
            "batch_size": 16,
            "train_freq": 4,
            "buffer_size": 150,
            "ent_coef": "auto",
        },
    },
    "ppo": {"total_timesteps": 640, "n_envs": 2, "kwargs": {"n_steps": 16, "batch_size": 16, "n_epochs": 2}},
    "a2c": {"total_timesteps": 640, "n_envs": 2, "kwargs": {"n_steps": 16}},
}
"""Changes of the default params. SAC's buffer is full and overwritten before the end."""


def tiny_params(params: Params, agent: str, **changes) -> Params:
    """Return params whose training of an agent is tiny; there is a checkpoint every 60 steps."""
    used = {"seeds": (0,), "device": "cpu", "checkpoint_every": 60, **TINY.get(agent, {}), **changes}
    agent_params = params.train.agents[agent].model_copy(update=used)
    return params.model_copy(update={"train": params.train.model_copy(update={agent: agent_params})})


def job_in(folder: Path, agent: str, params: Params, training_folder: Path, **changes) -> SeedJob:
    """Return the job of seed 0 of a tiny training with its files in a folder."""
    return SeedJob(
        agent=agent,
        seed=0,
        params=tiny_params(params, agent, **changes),
        training_folder=training_folder,
        checkpoint_folder=folder / "checkpoints" / agent / "seed_0",
        status_file=folder / "runs" / "seed_0.json",
        checkpoint_period_s=0.0,
    )


def run_logged(job: SeedJob, log: Path) -> None:
    """Train a seed as a training process does, its log appended to a file; the target of a process."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 2)
    sys.stderr = os.fdopen(descriptor, "w", buffering=1)
    run_worker(job, RawValue("Q", 0))


def is_alive(pid: int) -> bool:
    """Return whether a process is there."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def ends(pid: int, limit_s: float) -> bool:
    """Wait for the end of a process that is no child of this one; return whether it has come in time."""
    deadline = time.monotonic() + limit_s
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(POLL_S)
    return not is_alive(pid)


def training_process(job: SeedJob, log: Path) -> BaseProcess:
    """Start a training process; all that it imports is loaded once for all of them."""
    context = fresh_processes(TRAINING)
    process = context.Process(target=run_logged, args=(job, log))
    process.start()
    return process
