"""The report of each stage: a small file with its state, and a lock that it holds while it lives.

`runs/<stage>/status.json` holds state (running, failed, done), pid, stall_timeout_s, and error of a failure. If it says
`running` and the lock is free, the process has died.
"""

import contextlib
import faulthandler
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
from filelock import FileLock

from iquitos_citylearn.runtime.folders import RUNS
from iquitos_citylearn.runtime.lock import is_held
from iquitos_citylearn.runtime.processes import DUMP_S, DUMP_SIGNAL
from iquitos_citylearn.runtime.status_file import read_status, update_status
from iquitos_citylearn.training.jobs import STALLED

logger = logging.getLogger(__name__)

STATUS_FILE, LOCK_FILE = "status.json", "lock"
LOCK_WAIT_S = 1.0
"""A reader holds the lock for a moment."""
SILENT_S = 3600.0
"""Longest that a stage without steps runs, with room: an evaluation takes minutes."""
MAX_HOURS = "IQUITOS_MAX_HOURS"
"""Environment variable with another limit of a whole stage [h]."""


@dataclass(frozen=True)
class Report:
    """Last report of a stage.

    Attributes
    ----------
    state : str
        running, failed or done.
    pid : int
        Its process.
    error : str
        Reason of a failure.
    stall_timeout_s : float
        Time without a report after which it counts as stalled [s].
    written_at : float
        Time of the report [s since 1970, by the clock of the file system].
    """

    state: str
    pid: int
    error: str
    stall_timeout_s: float
    written_at: float


@contextlib.contextmanager
def reported(stage: str, stall_timeout_s: float = SILENT_S) -> Iterator[None]:
    """Keep the status file of a stage while the block runs it.

    Where it can't be written, or another process runs the stage and reports it, the block runs all the same.
    """
    folder = RUNS / stage
    lock = FileLock(folder / LOCK_FILE)
    if not _acquired(lock):
        yield
        return
    file = folder / STATUS_FILE
    update_status(file, state="running", pid=os.getpid(), error="", stall_timeout_s=stall_timeout_s)
    try:
        yield
    except BaseException as error:
        if (read_status(file) or {}).get("state") != "failed":  # else the watchdog has said why
            update_status(file, state="failed", error=str(error) or type(error).__name__)
        raise
    else:
        update_status(file, state="done")
    finally:
        lock.release()


@contextlib.contextmanager
def ended_when_overdue(stage: str) -> Iterator[None]:
    """End this process and its children, with the stacks of their threads in the log, when the block takes too long.

    For stages without steps. Trainings have a watchdog of their own, with the same exit status.
    """
    limit_s = float(os.environ.get(MAX_HOURS, SILENT_S / 3600)) * 3600
    over = threading.Event()
    watcher = threading.Thread(target=_end_overdue, args=(stage, limit_s, over.wait), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()


def _end_overdue(stage: str, limit_s: float, is_over: Callable[[float], bool]) -> None:
    if is_over(min(limit_s, threading.TIMEOUT_MAX)):
        return
    error = f"the watchdog ends {stage}: it has run for {limit_s / 3600:g} h, its limit"
    logger.error("%s; stacks of process %d:", error, os.getpid())
    faulthandler.dump_traceback(all_threads=True)
    update_status(RUNS / stage / STATUS_FILE, state="failed", error=error)
    children = psutil.Process().children(recursive=True)
    helpers = psutil.Process().children()  # the fork server is one: it would die of the signal
    _send(DUMP_SIGNAL, [child for child in children if child not in helpers])
    time.sleep(DUMP_S)
    _send(signal.SIGKILL, children)
    os._exit(STALLED)


def _send(number: signal.Signals, processes: Sequence[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)


def read_report(stage: str) -> Report | None:
    """Return the last report of a stage; None if there is none. One of a process that has died is `failed`."""
    file = RUNS / stage / STATUS_FILE
    content = read_status(file)
    if content is None:
        return None
    report = Report(
        state=content["state"],
        pid=content["pid"],
        error=content["error"],
        stall_timeout_s=content["stall_timeout_s"],
        written_at=file.stat().st_mtime,
    )
    if report.state != "running" or is_held(file.with_name(LOCK_FILE)):
        return report
    return replace(report, state="failed", error=f"process {report.pid} ended without a word, as if killed")


def _acquired(lock: FileLock) -> bool:
    try:
        Path(lock.lock_file).parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=LOCK_WAIT_S)
    except OSError:  # of which filelock's Timeout is one
        return False
    return True
