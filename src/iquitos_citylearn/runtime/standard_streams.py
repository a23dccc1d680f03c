"""Standard output and standard error at the end of a process."""

import os
import sys


def flush_standard_streams() -> None:
    """Write what the streams still hold; if nobody reads it, Python would fail with it at the end of the process."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
