"""State of every stage: its own report, or else its results and the record that DVC has of them."""

import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from iquitos_citylearn.evaluation.results import COMPLETE
from iquitos_citylearn.runtime.artifacts import ArtifactError, read_json
from iquitos_citylearn.runtime.folders import RUNS
from iquitos_citylearn.runtime.status_file import read_status
from iquitos_citylearn.status.headline import headline
from iquitos_citylearn.status.pipeline import Record, Stage, makers_of, read_pipeline
from iquitos_citylearn.status.reporting import Report, read_report


class State(StrEnum):
    """State of a stage."""

    WAITING = "waiting"
    RUNNING = "running"
    STALLED = "stalled"
    FAILED = "failed"
    DONE = "done"


@dataclass(frozen=True)
class StageStatus:
    """One line of the overview.

    Attributes
    ----------
    name : str
        The stage.
    state : State
        Its state.
    details : str
        Progress, reason or result.
    """

    name: str
    state: State
    details: str = ""


def overview() -> list[StageStatus]:
    """Return the status of every stage of the pipeline in this folder, in the order in which they run."""
    stages, record = read_pipeline(), Record()
    reports = {stage.name: _valid_report(stage) for stage in stages}
    statuses: dict[str, StageStatus] = {}
    for stage in stages:
        makers = makers_of(stage, stages)
        status = _while_it_runs(stage, reports[stage.name])
        if status is None:
            ready = all(statuses[maker.name].state is State.DONE for maker in makers)
            above = [_done_at(reports[maker.name]) for maker in makers]
            is_done = ready and _has_results(stage) and _is_current(stage, reports[stage.name], above, record)
            status = StageStatus(stage.name, State.DONE, headline(stage)) if is_done else _waiting(stage)
        statuses[stage.name] = status
    return list(statuses.values())


def _waiting(stage: Stage) -> StageStatus:
    return StageStatus(stage.name, State.WAITING)


def _valid_report(stage: Stage) -> Report | None:
    """Return the report of a stage, unless its outputs have been replaced since it ended."""
    report = read_report(stage.name)
    if report is None or report.state == "running":
        return report
    changed_at = [Path(output).stat().st_mtime for output in stage.outputs if Path(output).exists()]
    return None if max(changed_at, default=0.0) > report.written_at else report


def _while_it_runs(stage: Stage, report: Report | None) -> StageStatus | None:
    """Return the status of a stage that runs or has failed; None of any other."""
    if report is None or report.state == "done":
        return None
    seeds = [status for file in _seed_files(stage) if (status := read_status(file))]
    if report.state == "failed":
        errors = [f"seed {seed['seed']}: {seed['error']}" for seed in seeds if seed.get("state") == "failed"]
        return StageStatus(stage.name, State.FAILED, "\n".join([report.error, *errors]))
    silent_s = time.time() - max([report.written_at, *map(_written_at, _seed_files(stage))])
    progress = [f"process {report.pid}", *map(_progress, seeds)]
    if silent_s > report.stall_timeout_s:
        progress[0] += f" has said nothing for {_duration(silent_s)}"
        return StageStatus(stage.name, State.STALLED, "\n".join(progress))
    return StageStatus(stage.name, State.RUNNING, "\n".join(progress))


def _seed_files(stage: Stage) -> list[Path]:
    return sorted((RUNS / stage.name).glob("seed_*.json"))


def _written_at(file: Path) -> float:
    with contextlib.suppress(FileNotFoundError):
        return file.stat().st_mtime
    return 0.0


def _progress(seed: Mapping[str, Any]) -> str:
    if "step" not in seed or seed["state"] != "running":
        return f"seed {seed['seed']}: {seed['state']}"
    left_s = max(0, seed["total"] - seed["step"]) / max(seed["steps_per_s"], 1e-9)
    left = _duration(left_s) if seed["steps_per_s"] > 0 else "unknown time"
    return (
        f"seed {seed['seed']}: step {seed['step']:,} of {seed['total']:,}, {seed['steps_per_s']:,.0f} steps/s, "
        f"{left} left, last checkpoint at {seed['checkpoint_step']:,}"
    )


def _duration(seconds: float) -> str:
    minutes = int(seconds // 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min {seconds % 60:.0f} s"


def _done_at(report: Report | None) -> float:
    return report.written_at if report and report.state == "done" else 0.0


def _is_current(stage: Stage, report: Report | None, above: Sequence[float], record: Record) -> bool:
    """Return whether a stage's results are those of its present inputs.

    Of a run that DVC has not recorded it is only known that it ended after the stages it depends on.
    """
    done_at = _done_at(report)
    if done_at > record.written_at:
        return done_at >= max(above, default=0.0)
    return max(above, default=0.0) <= record.written_at and record.holds(stage)


def _has_results(stage: Stage) -> bool:
    try:
        contents = [read_json(Path(output)) for output in stage.outputs if output.endswith(".json")]
    except ArtifactError:
        return False
    return all(content.get("status", COMPLETE) == COMPLETE for content in contents)
