"""Processes side by side, each fresh, so that a result does not depend on what ran before it."""

import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any, TypeVar

N_PROCESSES = 2
"""Processes at a time, unless told otherwise: each holds its own years, about 0.6 GiB."""

Task = TypeVar("Task")
Result = TypeVar("Result")


def fresh_processes(*modules: str) -> ForkServerContext:
    """Return a way to start processes that have imported modules, and done nothing else.

    One process imports them, and those that are started are its forks: the import takes its time once, and what it
    leaves in memory is shared. The first modules named in this process are the ones; others are imported as they are
    met.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["iquitos_citylearn.fork_server", *modules])
    return context


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
    context = fresh_processes(_module_of(function))
    # They start in the folder that Python was started in.
    executor = ProcessPoolExecutor(n_processes, context, initializer=os.chdir, initargs=(Path.cwd(),))
    try:
        futures = [executor.submit(function, task) for task in tasks]
        return [future.result() for future in futures]
    except BrokenProcessPool as error:
        raise RuntimeError(
            f"one of {n_processes} processes died (killed, or out of memory); nothing was kept"
        ) from error
    finally:
        executor.shutdown(cancel_futures=True)


def _module_of(function: Callable[..., Any]) -> str:
    return _module_of(function.func) if isinstance(function, partial) else function.__module__
