"""Processes side by side, each fresh, so that a result does not depend on what ran before it."""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any, TypeVar

from iquitos_citylearn.process_memory import search_garbage_rarely

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
    context.set_forkserver_preload(list(modules))
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
    with _executor(function, n_processes) as executor:
        futures = [executor.submit(function, task) for task in tasks]
        return [future.result() for future in futures]


@contextmanager
def beside(function: Callable[[Task], Result], task: Task) -> Iterator[Future[Result]]:
    """Run a function on a task in a fresh process while this one goes on; leaving waits for its end.

    Raises
    ------
    RuntimeError
        When the process died and its result is asked for.
    """
    with _executor(function, 1) as executor:
        yield executor.submit(function, task)


@contextmanager
def _executor(function: Callable[..., Any], n_processes: int) -> Iterator[ProcessPoolExecutor]:
    context = fresh_processes(_module_of(function))
    # They start in the folder that Python was started in.
    executor = ProcessPoolExecutor(n_processes, context, initializer=_begin, initargs=(Path.cwd(),))
    try:
        yield executor
    except BrokenProcessPool as error:
        raise RuntimeError("a process at work died (killed, or out of memory); nothing was kept") from error
    finally:
        executor.shutdown(cancel_futures=True)


def _module_of(function: Callable[..., Any]) -> str:
    return _module_of(function.func) if isinstance(function, partial) else function.__module__


def _begin(folder: Path) -> None:
    search_garbage_rarely()
    os.chdir(folder)
