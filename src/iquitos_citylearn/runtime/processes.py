"""Processes side by side, started fresh; each may run several tasks, which must not depend on one another."""

import contextlib
import faulthandler
import multiprocessing
import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import connection, current_process, forkserver, parent_process
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

N_PROCESSES = 2
"""Processes at a time, unless told otherwise: each holds its own years, about 0.6 GiB."""
DUMP_SIGNAL = signal.SIGUSR1
"""What makes a process write the stacks of its threads to stderr."""
DUMP_S = 1.0
"""What it is given for that [s]."""
OPEN_FILE = "/proc/self/fd/{}"
"""Path of a file that this process has open."""

Arguments = ParamSpec("Arguments")
Task = TypeVar("Task")
Result = TypeVar("Result")


def fresh_processes(*modules: str) -> ForkServerContext:
    """Return a way to start processes that have imported modules, and done nothing else.

    One process imports them, and those that are started are its forks: the import takes its time once, and what it
    leaves in memory is shared. That process is started here. The first modules named in this process are the ones;
    others are imported as they are met.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["iquitos_citylearn.runtime.fork_server", *modules])
    _start_fork_server()
    return context


def begin_imports(*modules: str) -> None:
    """Let the process that others will be forked from import modules while this one does something else."""
    fresh_processes(*modules)


def _start_fork_server() -> None:
    """Start the process that others are forked from, if there is none, and remove its socket from the file system.

    Python keeps the socket in the temporary folder until this process ends, and a killed one leaves it there. This
    process holds the socket open in place of that, and reaches it through the open file: nothing is left, and the
    temporary folder's path may be longer than the 107 bytes that a socket's address can have.
    """
    server: Any = forkserver._forkserver
    config = current_process()._config  # type: ignore[attr-defined]
    address, folder_before = server._forkserver_address, config.get("tempdir")
    with tempfile.TemporaryDirectory(prefix="fork_server_") as folder:
        descriptor = os.open(folder, os.O_PATH)
        config["tempdir"] = OPEN_FILE.format(descriptor)
        try:
            forkserver.ensure_running()
            if server._forkserver_address != address:
                socket = os.open(server._forkserver_address, os.O_PATH)
                server._forkserver_address = OPEN_FILE.format(socket)
        finally:
            config["tempdir"] = folder_before
            os.close(descriptor)


@contextlib.contextmanager
def process_pool(*modules: str) -> Iterator[Executor]:
    """Run tasks in fresh processes that have imported modules, `N_PROCESSES` at a time.

    Raises
    ------
    RuntimeError
        When a process died.
    """
    context = fresh_processes(*modules)
    executor = ProcessPoolExecutor(N_PROCESSES, context, initializer=_begin_in, initargs=(Path.cwd(),))
    try:
        yield executor
    except BrokenProcessPool as error:
        raise RuntimeError(
            f"one of {N_PROCESSES} processes died (killed, or out of memory); nothing was kept"
        ) from error
    finally:
        executor.shutdown(cancel_futures=True)


class SameProcess(Executor):
    """Runs every task in this process, when it is submitted."""

    def submit(
        self, fn: Callable[Arguments, Result], /, *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Future[Result]:
        """Run a task and return its result as a future that has come; what the task raises, this raises."""
        done: Future[Result] = Future()
        done.set_result(fn(*args, **kwargs))
        return done


def run_in_processes(function: Callable[[Task], Result], tasks: Sequence[Task], *modules: str) -> list[Result]:
    """Run a function on each task in fresh processes that have imported its module and others (`process_pool`)."""
    with process_pool(_module_of(function), *modules) as pool:
        return list(pool.map(function, tasks))


def end_with_parent(exit_status: int) -> None:
    """End this process when the one that has started it is gone, however that came about."""
    parent = parent_process()
    if parent is None:
        return

    def wait() -> None:
        connection.wait([parent.sentinel])
        os._exit(exit_status)

    threading.Thread(target=wait, daemon=True).start()


def _begin_in(folder: Path) -> None:
    """Begin a process of a pool: it would start in the folder that Python was started in, and never end by itself."""
    os.chdir(folder)
    faulthandler.register(DUMP_SIGNAL, all_threads=True)
    end_with_parent(exit_status=1)


def _module_of(function: Callable[..., Any]) -> str:
    return _module_of(function.func) if isinstance(function, partial) else function.__module__
