"""The interface of a simulator of a site. The twin and CityLearn implement it; the environment runs on it."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from iquitos_citylearn.site.model import FloatArray, Site


@dataclass(frozen=True)
class StepResult:
    """Results of a step.

    Attributes
    ----------
    net_kwh : float
        Net consumption of the site, import positive [kWh].
    bess_kwh : float
        Energy of the stationary battery, site side, charging positive [kWh].
    bess_soc : float
        Its state of charge after the step; 0 without one.
    charger_kwh : ndarray, shape (n_chargers,)
        Consumption of the chargers, site side [kWh].
    ev_soc : ndarray, shape (n_chargers,)
        State of charge of the connected cars after the action, 0 where none is.
    """

    net_kwh: float
    bess_kwh: float
    bess_soc: float
    charger_kwh: FloatArray
    ev_soc: FloatArray


class Simulator(Protocol):
    """A site that can be run hour by hour."""

    site: Site

    @property
    def time_step(self) -> int:
        """Step of the next action; `end_step` when the run is over."""

    @property
    def ev_soc(self) -> FloatArray:
        """State of charge of the connected cars before the action, shape (n_chargers,); 0 where none is."""

    @property
    def bess_soc(self) -> float:
        """State of charge of the stationary battery before the action; 0 without one."""

    def reset(self) -> None:
        """Go back to the start."""

    def step(self, charger_action: FloatArray, bess_action: float = 0.0) -> StepResult:
        """Run one hour.

        Parameters
        ----------
        charger_action : ndarray, shape (n_chargers,)
            Share of each charger's rating, 0 to 1, as CityLearn takes it.
        bess_action : float
            Share of the stationary battery's power, -1 to 1; 0 where it is on automatic dispatch.
        """


def check_window(site: Site, start_step: int, end_step: int, bess_soc: float | None) -> None:
    """Refuse a part of the year that cannot be run on its own.

    Parameters
    ----------
    start_step, end_step : int
        First step, and the first step after the last.
    bess_soc : float or None
        State of charge of the stationary battery at the start; None: its initial one.

    Raises
    ------
    ValueError
        When the steps are out of range or order, a car is connected across the start, a battery fades (its capacity
        at a later start is not known), or a state of charge is missing, out of range, or given for no battery.
    """
    if not 0 <= start_step < end_step <= site.n_steps:
        raise ValueError(f"0 <= start_step < end_step <= {site.n_steps} does not hold for {start_step} and {end_step}")
    if bess_soc is not None and site.bess is None:
        raise ValueError(f"bess_soc is {bess_soc}, but the site has no stationary battery")
    if bess_soc is not None and not 0.0 <= bess_soc <= 1.0:
        raise ValueError(f"bess_soc is {bess_soc}, outside 0 to 1")
    if start_step == 0:
        return
    if site.bess is not None and bess_soc is None:
        raise ValueError(f"start_step is {start_step}: bess_soc must be given for a start within the year")
    crossing = (site.sessions.arrival_step < start_step) & (site.sessions.departure_step > start_step)
    if crossing.any():
        charger = site.chargers[int(site.sessions.charger[crossing][0])]
        raise ValueError(f"start_step is {start_step}: a car is connected to {charger.name} across it")
    fading = [c.name for c in site.chargers if c.ev.capacity_loss_coefficient > 0.0]
    if site.bess is not None and site.bess.capacity_loss_coefficient > 0.0:
        fading.append("bess")
    if fading:
        raise ValueError(f"start_step is {start_step}: the battery of {fading[0]} fades, so the year starts at 0")


def check_action(site: Site, step: int, end_step: int, charger_action: FloatArray, bess_action: float) -> None:
    """Refuse an action that cannot be run.

    Raises
    ------
    RuntimeError
        When the run is over.
    ValueError
        When an action has the wrong shape, is out of its range, or is meant for a battery that no agent dispatches.
    """
    if step >= end_step:
        raise RuntimeError(f"the run is over at step {end_step}: reset first")
    if charger_action.shape != (site.n_chargers,):
        raise ValueError(f"charger_action has shape {charger_action.shape}; it must be ({site.n_chargers},)")
    inside = (charger_action >= 0.0) & (charger_action <= 1.0)
    if not inside.all():
        charger = int(np.argmin(inside))
        name = site.chargers[charger].name
        raise ValueError(f"step {step}: the action of {name} is {charger_action[charger]}, outside 0 to 1")
    lowest, highest = (-1.0, 1.0) if site.bess_dispatch == "agent" else (0.0, 0.0)
    if not lowest <= bess_action <= highest:
        raise ValueError(f"step {step}: bess_action is {bess_action}, outside {lowest:g} to {highest:g}")
