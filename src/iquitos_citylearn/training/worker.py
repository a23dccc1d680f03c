"""The process that trains one seed: its signals, its log, its end."""

import contextlib
import faulthandler
import logging
import os
import signal
import sys
from collections.abc import Iterator
from typing import Any

from iquitos_citylearn.runtime.processes import DUMP_SIGNAL, end_with_parent
from iquitos_citylearn.runtime.standard_streams import flush_standard_streams
from iquitos_citylearn.runtime.status_file import update_status
from iquitos_citylearn.training.jobs import INTERRUPTED, SeedJob

logger = logging.getLogger(__name__)

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
TRAINING = "iquitos_citylearn.training.seed"
"""What a worker imports."""
LOG_FORMAT = "%(asctime)s %(message)s"
LOG_TIME_FORMAT = "%H:%M:%S"
EXPECTED_ERRORS = (ValueError, RuntimeError, FloatingPointError, OSError)


def run_worker(job: SeedJob, beats: Any) -> None:
    """Train a seed to its end, or exit with a status above 0.

    Parameters
    ----------
    job : SeedJob
        What to train.
    beats : ctypes.c_ulonglong
        Shared with the parent process; counts signs of life.
    """
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format=LOG_FORMAT, datefmt=LOG_TIME_FORMAT)
    faulthandler.register(DUMP_SIGNAL, all_threads=True)
    received: list[int] = []
    for number in STOP_SIGNALS:
        signal.signal(number, lambda n, _: received.append(n))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {*STOP_SIGNALS, DUMP_SIGNAL})
    end_with_parent(INTERRUPTED + signal.SIGHUP)

    def beat() -> None:
        beats.value += 1

    def stop() -> int | None:
        return received[0] if received else None

    update_status(job.status_file, state="starting", seed=job.seed, pid=os.getpid())
    from iquitos_citylearn.training.seed import train_seed  # noqa: PLC0415 - signals wait while it is loaded

    try:
        train_seed(job, beat, stop)
    except EXPECTED_ERRORS as error:
        logger.error("%s seed %d: %s", job.agent, job.seed, error)  # noqa: TRY400 - the message says it all
        update_status(job.status_file, state="stopped" if received else "failed", error=str(error))
        sys.exit(INTERRUPTED + received[0] if received else 1)
    finally:
        flush_standard_streams()


@contextlib.contextmanager
def signals_held_back() -> Iterator[None]:
    """Block the signals that a worker handles: one that is started in the block gets them when it is ready."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {*STOP_SIGNALS, DUMP_SIGNAL})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
