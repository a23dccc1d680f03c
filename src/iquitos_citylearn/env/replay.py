"""The certification: a year's actions replayed through CityLearn and compared with the results of the twin.

Only the processes that replay import CityLearn, which takes seconds.
"""

from concurrent.futures import Executor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from iquitos_citylearn.env.battery import rest_battery
from iquitos_citylearn.env.physics import make_equipment
from iquitos_citylearn.runtime.processes import SameProcess, begin_imports, process_pool
from iquitos_citylearn.site.model import FloatArray, Site

CITYLEARN = "iquitos_citylearn.env.citylearn"
"""Module that a process imports before it replays."""
N_PARTS = 9
"""Number of parts that a year is replayed in.

Nine parts and the sampled weeks of another year give each of two processes five tasks.
"""
FIRST_HOUR = 1


class Trajectory(NamedTuple):
    """Results of a run of a simulator; T steps.

    Attributes
    ----------
    net_kwh, bess_soc : ndarray, shape (T,)
        Net consumption, and the stationary battery's state of charge after the step (0 without one).
    charger_kwh, ev_soc : ndarray, shape (T, n_chargers)
        Consumption of the chargers, and the state of charge of the connected cars after the action (0 where none).
    """

    net_kwh: FloatArray
    bess_soc: FloatArray
    charger_kwh: FloatArray
    ev_soc: FloatArray


@dataclass(frozen=True)
class Certification:
    """Largest absolute deviations between CityLearn and a trajectory.

    Attributes
    ----------
    n_steps : int
        Steps replayed.
    net_kwh, bess_soc, charger_kwh, ev_soc : float
        Largest deviation of each.
    handover_bess_soc : float
        Largest deviation between the state of charge at the end of a part, in CityLearn, and the one that the next
        part started from.
    """

    n_steps: int
    net_kwh: float
    bess_soc: float
    charger_kwh: float
    ev_soc: float
    handover_bess_soc: float

    @property
    def max_abs_deviation(self) -> float:
        """Return the largest of all deviations."""
        return max(self.net_kwh, self.bess_soc, self.charger_kwh, self.ev_soc, self.handover_bess_soc)


@dataclass(frozen=True)
class _Part:
    schema_path: Path
    site: Site
    start_step: int
    end_step: int
    bess_soc: float | None
    charger_actions: FloatArray
    bess_actions: FloatArray


@dataclass(frozen=True)
class _PartRun:
    trajectory: Trajectory
    end_bess_soc: float


def begin_replays(site: Site) -> None:
    """Let a process import CityLearn for `replay_executor` while this one does something else."""
    if _is_cut(site):
        begin_imports(CITYLEARN)


def replay_executor(site: Site) -> AbstractContextManager[Executor]:
    """Return an executor for `replay`: parallel processes, or this process where the year is replayed in one part."""
    return process_pool(CITYLEARN) if _is_cut(site) else nullcontext(SameProcess())


def replay(
    schema_path: Path,
    site: Site,
    charger_actions: FloatArray,
    bess_actions: FloatArray | None,
    trajectory: tuple[FloatArray, FloatArray, FloatArray, FloatArray],
    n_steps: int | None = None,
    n_parts: int = N_PARTS,
    executor: Executor | None = None,
) -> Certification:
    """Replay actions through CityLearn, every step or the first `n_steps`, and compare.

    The year is cut at midnights at which no car is connected. A part starts from the stationary battery's state of
    charge in the trajectory; it is compared with CityLearn's own at the end of the part before. A battery that fades
    carries its lost capacity across a cut as well, so its year is replayed in one part.

    Parameters
    ----------
    schema_path : Path
        The data set's schema.
    site : Site
        The same site, as read from the data set.
    charger_actions : ndarray, shape (T, n_chargers)
        Actions of the T steps to replay, as the simulator took them.
    bess_actions : ndarray, shape (T,), or None
        None where the battery is on automatic dispatch, or there is none.
    trajectory : Trajectory
        Results of the other simulator: net consumption, battery SOC, charger energies, car SOCs.
    n_steps : int or None
        Number of steps to replay from the start, in one part; None for the whole year.
    n_parts : int
        Number of parts wanted; fewer where the year has too few midnights without a car.
    executor : Executor or None
        Runs the parts (`replay_executor`); None runs them here.

    Returns
    -------
    Certification
        The largest deviations, all 0 when the trajectory is CityLearn's.

    Raises
    ------
    ValueError
        When a shape is wrong.
    RuntimeError
        When CityLearn disagrees on who is connected, or a value is not a number.
    """
    n_steps = site.n_steps if n_steps is None else n_steps
    said = Trajectory(*trajectory)
    _check_shapes(n_steps, site.n_chargers, charger_actions, bess_actions, said)
    bounds = _bounds(site, n_parts) if n_steps == site.n_steps else [0, n_steps]
    starts = [None, *(_bess_soc_before(site, said, step) for step in bounds[1:-1])]
    bess = np.zeros(n_steps) if bess_actions is None else bess_actions
    parts = [
        _Part(schema_path, site, first, last, soc, charger_actions[first:last], bess[first:last])
        for (first, last), soc in zip(pairwise(bounds), starts, strict=True)
    ]
    runs = list((executor or SameProcess()).map(_run_part, parts))
    handover = [abs(done.end_bess_soc - soc) for done, soc in zip(runs, starts[1:], strict=False) if soc is not None]
    replayed = Trajectory(*(np.concatenate(series) for series in zip(*(done.trajectory for done in runs), strict=True)))
    deviations = dict(zip(said._fields, map(_largest, said._fields, replayed, said), strict=True))
    return Certification(n_steps=len(replayed.net_kwh), handover_bess_soc=max(handover, default=0.0), **deviations)


def _run_part(part: _Part) -> _PartRun:
    from iquitos_citylearn.env.citylearn import CityLearnSimulator  # noqa: PLC0415 - only where it is needed

    simulator = CityLearnSimulator(part.schema_path, part.site, part.start_step, part.end_step, part.bess_soc)
    results = [
        simulator.step(chargers, float(bess))
        for chargers, bess in zip(part.charger_actions, part.bess_actions, strict=True)
    ]
    trajectory = Trajectory(
        net_kwh=np.array([result.net_kwh for result in results]),
        bess_soc=np.array([result.bess_soc for result in results]),
        charger_kwh=np.stack([result.charger_kwh for result in results]),
        ev_soc=np.stack([result.ev_soc for result in results]),
    )
    return _PartRun(trajectory, simulator.bess_soc)


def _is_cut(site: Site) -> bool:
    return _bounds(site, N_PARTS) != [0, site.n_steps]


def _bounds(site: Site, n_parts: int) -> list[int]:
    """Return the steps at which parts start, and the last step's end: midnights without a car, about evenly spread."""
    batteries = [charger.ev for charger in site.chargers] + ([] if site.bess is None else [site.bess])
    if any(battery.capacity_loss_coefficient > 0.0 for battery in batteries):
        return [0, site.n_steps]
    crossed = np.zeros(site.n_steps + 1, dtype=np.int64)
    np.add.at(crossed, site.sessions.arrival_step + 1, 1)
    np.add.at(crossed, site.sessions.departure_step, -1)
    free = (np.cumsum(crossed)[: site.n_steps] == 0) & (site.hour == FIRST_HOUR)
    free[0] = False
    cuts = np.flatnonzero(free)
    if not len(cuts):
        return [0, site.n_steps]
    wanted = np.arange(1, n_parts) * site.n_steps / n_parts
    nearest = cuts[np.abs(cuts[:, None] - wanted).argmin(axis=0)]
    return [0, *np.unique(nearest).tolist(), site.n_steps]


def _bess_soc_before(site: Site, trajectory: Trajectory, step: int) -> float | None:
    if site.bess is None:
        return None
    return float(rest_battery(make_equipment(site).bess[0], float(trajectory.bess_soc[step - 1])))


def _check_shapes(
    n_steps: int,
    n_chargers: int,
    charger_actions: FloatArray,
    bess_actions: FloatArray | None,
    trajectory: Trajectory,
) -> None:
    by_step, by_charger = (n_steps,), (n_steps, n_chargers)
    shapes = {
        "charger_actions": (charger_actions.shape, by_charger),
        "bess_actions": (by_step if bess_actions is None else bess_actions.shape, by_step),
        "net_kwh": (trajectory.net_kwh.shape, by_step),
        "bess_soc": (trajectory.bess_soc.shape, by_step),
        "charger_kwh": (trajectory.charger_kwh.shape, by_charger),
        "ev_soc": (trajectory.ev_soc.shape, by_charger),
    }
    for name, (shape, expected) in shapes.items():
        if shape != expected:
            raise ValueError(f"{name} has shape {shape}; it must be {expected}")


def _largest(name: str, series: FloatArray, other: FloatArray) -> float:
    deviation = np.abs(series - other)
    if not np.isfinite(deviation).all():
        step = int(np.argwhere(~np.isfinite(deviation))[0][0])
        raise RuntimeError(f"{name} is not a number in step {step}")
    return float(deviation.max(initial=0.0))
