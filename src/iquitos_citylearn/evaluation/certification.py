"""Certification: CityLearn replays the headline year in full, or the first weeks of another year."""

from concurrent.futures import Executor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from iquitos_citylearn.env.replay import Trajectory, replay
from iquitos_citylearn.policies.rollout import Rollout, Trace
from iquitos_citylearn.site.citylearn_files.reader import read_dataset
from iquitos_citylearn.site.citylearn_files.writer import write_dataset
from iquitos_citylearn.site.clock import HOURS_PER_DAY
from iquitos_citylearn.site.model import Site

SAMPLED_STEPS = 28 * HOURS_PER_DAY
"""Steps of a year that are replayed where not the whole of it is: four weeks [h]."""


class CertificationError(RuntimeError):
    """CityLearn does not reproduce what the twin computed."""


def certify(
    rollout: Rollout,
    trace: Trace,
    schema: Path,
    site: Site,
    n_steps: int | None = None,
    executor: Executor | None = None,
) -> dict[str, Any]:
    """Replay the actions of a year through CityLearn.

    Parameters
    ----------
    rollout, trace : Rollout, Trace
        The twin's run, over the steps that are replayed.
    schema : Path
        The year's CityLearn data set.
    site : Site
        The year as read from it.
    n_steps : int or None
        Replay so many steps from the start; None for all.
    executor : Executor or None
        Runs the parts of the year (`env.replay.replay_executor`); None runs them here.

    Returns
    -------
    dict
        `n_steps` replayed, and the largest absolute deviation of net consumption, battery SOC, charger energies and
        car SOCs between CityLearn and the twin.
    """
    trajectory = Trajectory(rollout.net_kwh, rollout.bess_soc, trace.charger_kwh, rollout.ev_soc)
    dispatched = site.bess_dispatch == "agent"
    bess_action = trace.bess_action if dispatched else None
    replayed = replay(schema, site, trace.charger_action, bess_action, trajectory, n_steps, executor=executor)
    return {"n_steps": replayed.n_steps, "max_abs_deviation": replayed.max_abs_deviation}


def certify_sample(rollout: Rollout, trace: Trace, site: Site) -> dict[str, Any]:
    """Write a year as a CityLearn data set and replay its first steps: those of the rollout (`certify`)."""
    with TemporaryDirectory(prefix="sampled_year_") as folder:
        write_dataset(site, Path(folder))
        schema = Path(folder) / "schema.json"
        return certify(rollout, trace, schema, read_dataset(schema), len(rollout.net_kwh))
