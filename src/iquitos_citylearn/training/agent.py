"""Training of one agent: every seed in a process of its own, results written when all are done."""

import logging
import os
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path

from iquitos_citylearn.params import Params
from iquitos_citylearn.runtime.artifacts import write_bytes, write_csv, write_json
from iquitos_citylearn.runtime.lock import only_trainer
from iquitos_citylearn.runtime.status_file import update_status
from iquitos_citylearn.training.jobs import FINISHED, RunOptions, SeedJob
from iquitos_citylearn.training.progress_display import progress_display
from iquitos_citylearn.training.sealed_file import read_sealed
from iquitos_citylearn.training.supervision import TrainingStoppedError, Watchdog, run_workers

logger = logging.getLogger(__name__)


def train_agent(
    agent: str,
    params: Params,
    options: RunOptions,
    *,
    training_folder: Path,
    model_folder: Path,
    run_folder: Path,
    checkpoint_folder: Path,
) -> None:
    """Train every seed of an agent and write models, learning curve and the record of what was trained.

    Parameters
    ----------
    agent : str
        Its name under `train`.
    params : Params
        The whole params file; `train.<agent>`, `environment` and `reward` are used.
    options : RunOptions
        How it is run.
    training_folder : Path
        Draws of the site (`data/training`).
    model_folder : Path
        Where `seed_<n>.zip`, `<agent>_progress.csv` and `training.json` go.
    run_folder : Path
        Where status files go.
    checkpoint_folder : Path
        Where checkpoints go; they are removed when every seed is done and written.

    Raises
    ------
    AlreadyTrainingError
        If another process trains this agent here.
    TrainingStoppedError
        If a seed has failed, or a signal or the watchdog has ended the training. What is finished, is kept.
    ArtifactError
        If a result can't be written; checkpoints stay.
    """
    with only_trainer(checkpoint_folder / "trainer.lock"):
        if options.from_scratch:
            _remove_checkpoints(checkpoint_folder)
        jobs = [
            SeedJob(
                agent=agent,
                seed=seed,
                params=params,
                training_folder=training_folder,
                checkpoint_folder=checkpoint_folder / f"seed_{seed}",
                status_file=run_folder / f"seed_{seed}.json",
                checkpoint_period_s=options.checkpoint_period_s,
            )
            for seed in params.agent(agent).seeds
        ]
        _run(agent, jobs, options)
        _write_results(agent, jobs, model_folder)
        for job in jobs:
            update_status(job.status_file, state="done")
        _remove_checkpoints(checkpoint_folder)


def _run(agent: str, jobs: Sequence[SeedJob], options: RunOptions) -> None:
    for job in jobs:
        job.status_file.unlink(missing_ok=True)
        update_status(job.status_file, state="waiting", seed=job.seed)
    watchdog = Watchdog(options.stall_timeout_s, options.max_hours)
    with progress_display(agent, [job.status_file for job in jobs]) as show:
        statuses = run_workers(jobs, n_parallel(len(jobs), len(os.sched_getaffinity(0))), watchdog, show)
    failures = [
        f"seed {job.seed} {_how_it_ended(status)}" for job, status in zip(jobs, statuses, strict=True) if status
    ]
    if failures:
        raise TrainingStoppedError(
            f"{agent}: {', '.join(failures)}; the log above says why. Started again, finished seeds are not trained "
            "again and the others go on from their checkpoints.",
            exit_status=1,
        )


def n_parallel(n_jobs: int, n_cores: int) -> int:
    """Return how many jobs to run at a time so that no core idles at the end: a few more than cores share them."""
    n_rounds = max(1, n_jobs // n_cores)
    return -(-n_jobs // n_rounds)


def _how_it_ended(status: int) -> str:
    return f"was killed by {signal.Signals(-status).name}" if status < 0 else f"failed (exit status {status})"


def _write_results(agent: str, jobs: Sequence[SeedJob], model_folder: Path) -> None:
    import pandas as pd  # noqa: PLC0415 - no training waits for it

    finished = [read_sealed(job.checkpoint_folder / FINISHED) for job in jobs]
    for job, (_, model) in zip(jobs, finished, strict=True):
        write_bytes(model_folder / f"seed_{job.seed}.zip", model)
    curve = pd.concat([pd.DataFrame(header["curve"]) for header, _ in finished])
    write_csv(model_folder / f"{agent}_progress.csv", curve)
    records = {f"seed_{job.seed}": header["record"] for job, (header, _) in zip(jobs, finished, strict=True)}
    write_json(model_folder / "training.json", records)


def _remove_checkpoints(checkpoint_folder: Path) -> None:
    for folder in checkpoint_folder.glob("seed_*"):
        if folder.is_dir():
            shutil.rmtree(folder)
