"""The overview on a terminal: once, or again and again until the pipeline has ended."""

import time
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from iquitos_citylearn.status.overview import StageStatus, State, overview

DONE, FAILED, IN_PROGRESS, TIMED_OUT = 0, 1, 2, 3
"""Exit statuses."""
COLOURS = {
    State.WAITING: "dim",
    State.RUNNING: "cyan",
    State.STALLED: "yellow",
    State.FAILED: "red",
    State.DONE: "green",
}


def show(console: Console) -> int:
    """Print the status of every stage; return the exit status."""
    stages = overview()
    console.print(_table(stages))
    return _exit_status(stages)


def watch(console: Console, interval_s: float, timeout_s: float) -> int:
    """Show the status again and again until all is done, one has failed, or the time is over; return the exit status.

    On a terminal the table is drawn in its place; elsewhere each one is printed below the last.
    """
    if not console.is_terminal:
        return _repeat(lambda: show(console), interval_s, timeout_s)
    with Live(console=console, auto_refresh=False, vertical_overflow="visible") as live:

        def draw() -> int:
            stages = overview()
            live.update(_table(stages), refresh=True)
            return _exit_status(stages)

        return _repeat(draw, interval_s, timeout_s)


def _repeat(look: Callable[[], int], interval_s: float, timeout_s: float) -> int:
    deadline = time.monotonic() + timeout_s
    while (status := look()) == IN_PROGRESS:
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            return TIMED_OUT
        time.sleep(min(interval_s, left_s))
    return status


def _exit_status(stages: Sequence[StageStatus]) -> int:
    states = {stage.state for stage in stages}
    if State.FAILED in states:
        return FAILED
    return DONE if states <= {State.DONE} else IN_PROGRESS


def _table(stages: Sequence[StageStatus]) -> Table:
    table = Table("stage", "state", "details", title=time.strftime("%H:%M:%S"))
    for stage in stages:
        table.add_row(stage.name, Text(stage.state, COLOURS[stage.state]), Text(stage.details, overflow="fold"))
    return table
