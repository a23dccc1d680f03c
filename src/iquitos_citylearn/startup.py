"""What every process of the program does before it imports what is heavy."""

import gc

GC_THRESHOLD = 50_000
"""New objects between two searches for unreachable cycles, where Python has 700: imports make many that all stay, and
searching them again and again took a fifth of the time."""


def search_garbage_rarely() -> None:
    """Let the garbage collector wait for `GC_THRESHOLD` new objects."""
    gc.set_threshold(GC_THRESHOLD)
