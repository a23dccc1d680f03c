"""Training processes side by side: started, watched, and ended in order. Nothing heavy is loaded here."""

import contextlib
import logging
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import connection
from multiprocessing.sharedctypes import RawValue

from iquitos_citylearn.runtime.processes import DUMP_S, DUMP_SIGNAL, fresh_processes
from iquitos_citylearn.training.jobs import INTERRUPTED, STALLED, SeedJob
from iquitos_citylearn.training.worker import STOP_SIGNALS, TRAINING, run_worker, signals_held_back

logger = logging.getLogger(__name__)

POLL_S = 0.2
GRACE_S = 25.0


class TrainingStoppedError(RuntimeError):
    """A training has not come to its end.

    Parameters
    ----------
    message : str
        Why.
    exit_status : int
        What the program is to end with.
    """

    def __init__(self, message: str, exit_status: int) -> None:
        super().__init__(message)
        self.exit_status = exit_status


class Worker:
    """A process that trains one seed.

    Parameters
    ----------
    job : SeedJob
        What it trains.
    """

    def __init__(self, job: SeedJob) -> None:
        self.job = job
        self._beats = RawValue("Q", 0)
        with signals_held_back():
            self.process = fresh_processes(TRAINING).Process(target=run_worker, args=(job, self._beats))
            self.process.start()
        self._seen, self._seen_at = 0, time.monotonic()

    def silent_s(self) -> float:
        """Return the time since its last sign of life [s]."""
        if self._beats.value != self._seen:
            self._seen, self._seen_at = self._beats.value, time.monotonic()
        return time.monotonic() - self._seen_at

    def send(self, number: int) -> None:
        """Send it a signal, if it is still there."""
        if self.process.pid is not None and self.process.is_alive():
            os.kill(self.process.pid, number)


class Watchdog:
    """Says when processes have stood still, or run, for too long.

    Parameters
    ----------
    stall_timeout_s, max_hours : float
        The limits.
    """

    def __init__(self, stall_timeout_s: float, max_hours: float) -> None:
        self.stall_timeout_s, self.max_hours = stall_timeout_s, max_hours
        self._started_at = time.monotonic()

    def complaint(self, workers: Sequence[Worker]) -> str | None:
        """Return what is wrong; None if nothing is."""
        for worker in workers:
            silent_s = worker.silent_s()
            if silent_s > self.stall_timeout_s:
                return f"seed {worker.job.seed} has made no step for {silent_s:.0f} s"
        hours = (time.monotonic() - self._started_at) / 3600
        return f"the training has run for {hours:.2f} h, its limit" if hours > self.max_hours else None


def run_workers(jobs: Sequence[SeedJob], n_parallel: int, watchdog: Watchdog, show: Callable[[], None]) -> list[int]:
    """Run every job in a process of its own, a number of them at a time.

    Parameters
    ----------
    jobs : sequence of SeedJob
        What to train.
    n_parallel : int
        How many processes at a time.
    watchdog : Watchdog
        Asked again and again.
    show : callable
        Called again and again.

    Returns
    -------
    list of int
        Exit status of each job's process; negative for the signal that killed it.

    Raises
    ------
    TrainingStoppedError
        If a signal or the watchdog has ended the training.
    """
    waiting = list(jobs)
    started: list[Worker] = []
    with _stop_signals() as received:
        try:
            while running := _running(started) or waiting:
                while waiting and len(_running(started)) < n_parallel and not received:
                    started.append(Worker(waiting.pop(0)))
                running = _running(started)
                connection.wait([worker.process.sentinel for worker in running], timeout=POLL_S)
                show()
                if received:
                    raise TrainingStoppedError(_by_signal(received[0]), INTERRUPTED + received[0])
                complaint = watchdog.complaint(_running(started))
                if complaint:
                    _dump_stacks(started, complaint)
                    raise TrainingStoppedError(f"the watchdog ends the training: {complaint}", STALLED)
        finally:
            _end(started, received)
    return [int(worker.process.exitcode or 0) for worker in started]


def _running(workers: Sequence[Worker]) -> list[Worker]:
    return [worker for worker in workers if worker.process.is_alive()]


def _dump_stacks(workers: Sequence[Worker], complaint: str) -> None:
    for worker in _running(workers):
        logger.error("%s; stacks of seed %d, process %d:", complaint, worker.job.seed, worker.process.pid)
        worker.send(DUMP_SIGNAL)
        time.sleep(DUMP_S)


def _end(workers: Sequence[Worker], received: list[int]) -> None:
    """Ask what still runs for a checkpoint and an end; kill it after a while, or at once at a second signal."""
    n_received = len(received)
    for worker in workers:
        worker.send(signal.SIGTERM)
    deadline = time.monotonic() + GRACE_S
    while (left := _running(workers)) and time.monotonic() < deadline and len(received) == n_received:
        connection.wait([worker.process.sentinel for worker in left], timeout=POLL_S)
    for worker in workers:
        worker.send(signal.SIGKILL)
        worker.process.join()


def _by_signal(number: int) -> str:
    return f"stopped by {signal.Signals(number).name}; started again, the training goes on from its last checkpoint"


@contextlib.contextmanager
def _stop_signals() -> Iterator[list[int]]:
    """Collect the signals that ask for an end, in the place of what they did before."""
    received: list[int] = []
    previous = {number: signal.signal(number, lambda n, _: received.append(n)) for number in STOP_SIGNALS}
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
