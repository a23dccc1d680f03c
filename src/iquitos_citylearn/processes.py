"""Tasks in processes side by side, each fresh, so that a result does not depend on what ran before it."""

import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import TypeVar

from iquitos_citylearn.startup import search_garbage_rarely

N_PROCESSES = 2
"""Processes at a time, unless told otherwise: each holds its own years, about 0.6 GiB."""

Task = TypeVar("Task")
Result = TypeVar("Result")


def run_in_processes(
    function: Callable[[Task], Result], tasks: Sequence[Task], n_processes: int = N_PROCESSES
) -> list[Result]:
    """Run a function on each task in fresh processes, in order; with 1 process, here.

    Raises
    ------
    RuntimeError
        When a process died.
    """
    if n_processes <= 1:
        return [function(task) for task in tasks]
    context = multiprocessing.get_context("spawn")  # which starts in the folder that Python was started in
    executor = ProcessPoolExecutor(n_processes, context, initializer=_begin, initargs=(Path.cwd(),))
    try:
        futures = [executor.submit(function, task) for task in tasks]
        return [future.result() for future in futures]
    except BrokenProcessPool as error:
        raise RuntimeError(
            f"one of {n_processes} processes died (killed, or out of memory); nothing was kept"
        ) from error
    finally:
        executor.shutdown(cancel_futures=True)


def _begin(folder: Path) -> None:
    search_garbage_rarely()
    os.chdir(folder)
