"""One trainer per folder: a lock that dies with its process."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout


class AlreadyTrainingError(RuntimeError):
    """Another process trains in the same folder."""


@contextlib.contextmanager
def only_trainer(lock_file: Path, wait_s: float = 0.0) -> Iterator[None]:
    """Hold a lock while the block runs; the file names the process that holds it.

    Parameters
    ----------
    lock_file : Path
        The file to lock; it stays.
    wait_s : float
        How long to wait for a process that is about to end [s].

    Raises
    ------
    AlreadyTrainingError
        If another process holds it; names that process and says what to do.
    """
    lock_file.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(lock_file)
    try:
        lock.acquire(timeout=wait_s)
    except Timeout:
        pid = lock_file.read_text(encoding="ascii").strip()
        raise AlreadyTrainingError(
            f"{lock_file}: process {pid} trains here already, perhaps left behind by a pipeline that was killed. "
            f"Wait until it is done, or end it with `kill {pid}` (it writes a checkpoint first); then start again."
        ) from None
    try:
        lock_file.write_text(f"{os.getpid()}\n", encoding="ascii")
        yield
    finally:
        lock.release()


def is_held(lock_file: Path) -> bool:
    """Return whether a process holds a lock; True too where that can't be found out."""
    try:
        with FileLock(lock_file, timeout=0.0):
            return False
    except OSError:  # of which filelock's Timeout is one
        return True
