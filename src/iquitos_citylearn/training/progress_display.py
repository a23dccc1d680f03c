"""What a person sees of a training: a bar per seed on a terminal, a log line every half minute elsewhere."""

import contextlib
import logging
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from iquitos_citylearn.runtime.status_file import read_status

logger = logging.getLogger(__name__)

LOG_PERIOD_S = 30.0


@contextlib.contextmanager
def progress_display(agent: str, status_files: Sequence[Path]) -> Iterator[Callable[[], None]]:
    """Give a function that shows how far every seed is, to be called again and again.

    Parameters
    ----------
    agent : str
        Name of the agent.
    status_files : sequence of Path
        The status file of each seed; it may not be there yet.
    """
    if sys.stderr.isatty():
        with _bars(agent, status_files) as show:
            yield show
    else:
        yield _LogLines(agent, status_files)


@contextlib.contextmanager
def _bars(agent: str, status_files: Sequence[Path]) -> Iterator[Callable[[], None]]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:>7,.0f}/{task.total:,.0f} steps  {task.fields[speed]:>6.0f}/s"),
        TimeRemainingColumn(),
        TextColumn("reward {task.fields[reward]:+.4f}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        tasks = [
            progress.add_task(f"{agent} {path.stem.replace('_', ' ')}", total=1, speed=0.0, reward=0.0)
            for path in status_files
        ]

        def show() -> None:
            for task, status in zip(tasks, map(_steps_of, status_files), strict=True):
                if status:
                    progress.update(
                        task,
                        description=f"{agent} seed {status['seed']}{_resumed(status)}",
                        completed=status["step"],
                        total=max(status["total"], status["step"]),
                        speed=status["steps_per_s"],
                        reward=status["mean_reward"],
                    )

        yield show


class _LogLines:
    def __init__(self, agent: str, status_files: Sequence[Path]) -> None:
        self.agent, self.status_files = agent, status_files
        self.logged_at = time.monotonic()

    def __call__(self) -> None:
        if time.monotonic() - self.logged_at < LOG_PERIOD_S:
            return
        self.logged_at = time.monotonic()
        for status in filter(None, map(_steps_of, self.status_files)):
            if not status["steps_per_s"]:  # no step yet: nothing says how long it will take
                continue
            left_s = max(0, status["total"] - status["step"]) / status["steps_per_s"]
            logger.info(
                "%s seed %d%s: step %d of %d, %.0f steps/s, %.0f s left, reward %+.4f per step",
                self.agent,
                status["seed"],
                _resumed(status),
                status["step"],
                status["total"],
                status["steps_per_s"],
                left_s,
                status["mean_reward"],
            )


def _resumed(status: Mapping[str, Any]) -> str:
    return f" (resumed at {status['resumed_from']:,})" if status["resumed_from"] else ""


def _steps_of(path: Path) -> dict[str, Any] | None:
    """Return the status of a training that makes steps; None before that."""
    status = read_status(path)
    return status if status and "step" in status else None
