"""What the processes of the program do with their memory: search it for garbage rarely, and return what is free."""

import contextlib
import ctypes
import gc

GC_THRESHOLD = 50_000
"""New objects between two searches for unreachable cycles, where Python has 700: imports make many that all stay, and
searching them again and again took a fifth of the time."""


def search_garbage_rarely() -> None:
    """Let the garbage collector wait for `GC_THRESHOLD` new objects."""
    gc.set_threshold(GC_THRESHOLD)


def return_free_memory() -> None:
    """Give memory that nothing uses any more back to the system; glibc keeps it for later, other libraries do not."""
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
