"""What a person sees of a training: a bar per seed on a terminal, a log line every half minute elsewhere."""

import contextlib
import logging
import sys
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from iquitos_citylearn.artifacts import ArtifactError, read_json

logger = logging.getLogger(__name__)

POLL_S = 0.5
LOG_PERIOD_S = 30.0


def show_progress(
    agent: str, seeds: Sequence[int], status_files: Sequence[Path], futures: Sequence[Future[Any]]
) -> None:
    """Show how far every seed is, until all are done or one has failed."""
    if sys.stderr.isatty():
        _show_bars(agent, seeds, status_files, futures)
    else:
        _log_lines(agent, seeds, status_files, futures)


def _show_bars(agent: str, seeds: Sequence[int], status_files: Sequence[Path], futures: Sequence[Future[Any]]) -> None:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:>7,.0f}/{task.total:,.0f} steps  {task.fields[speed]:>6.0f}/s"),
        TimeRemainingColumn(),
        TextColumn("reward {task.fields[reward]:+.4f}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        tasks = [progress.add_task(f"{agent} seed {seed}", total=None, speed=0.0, reward=0.0) for seed in seeds]
        while _unfinished(futures, POLL_S):
            for task, status in zip(tasks, map(_read_status, status_files), strict=True):
                if status:
                    progress.update(
                        task,
                        completed=status["step"],
                        total=max(status["total"], status["step"]),
                        speed=status["steps_per_s"],
                        reward=status["mean_reward"],
                    )


def _log_lines(agent: str, seeds: Sequence[int], status_files: Sequence[Path], futures: Sequence[Future[Any]]) -> None:
    logged_at = time.monotonic()
    while _unfinished(futures, POLL_S):
        if time.monotonic() - logged_at < LOG_PERIOD_S:
            continue
        logged_at = time.monotonic()
        for seed, status in zip(seeds, map(_read_status, status_files), strict=True):
            if status:
                left_s = max(0, status["total"] - status["step"]) / max(status["steps_per_s"], 1e-9)
                logger.info(
                    "%s seed %d: step %d of %d, %.0f steps/s, %.0f s left, reward %+.4f per step",
                    agent,
                    seed,
                    status["step"],
                    status["total"],
                    status["steps_per_s"],
                    left_s,
                    status["mean_reward"],
                )


def _unfinished(futures: Sequence[Future[Any]], timeout_s: float) -> bool:
    done, pending = wait(futures, timeout=timeout_s, return_when=FIRST_EXCEPTION)
    return bool(pending) and not any(future.exception() for future in done)


def _read_status(path: Path) -> dict[str, Any] | None:
    with contextlib.suppress(ArtifactError):
        return read_json(path)
    return None
