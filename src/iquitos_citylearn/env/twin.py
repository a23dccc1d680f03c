"""The twin as a `Simulator`: one environment over the compiled kernels."""

import numpy as np

from iquitos_citylearn.env.arrays import ONLY_ENV, ONLY_YEAR
from iquitos_citylearn.env.physics import (
    advance_env,
    apply_actions_env,
    make_equipment,
    make_state,
    make_years,
    start_env,
)
from iquitos_citylearn.env.simulator import StepResult, check_action, check_window
from iquitos_citylearn.site.model import FloatArray, Site


class Twin:
    """`Simulator` over the compiled kernels, equal to CityLearn bit for bit.

    Parameters
    ----------
    site : Site
        The site and its year.
    start_step, end_step, bess_soc
        Part of the year (see `check_window`).

    Raises
    ------
    ValueError
        When the site has values the kernels do not take, or the part of the year cannot be run.
    """

    def __init__(
        self, site: Site, start_step: int = 0, end_step: int | None = None, bess_soc: float | None = None
    ) -> None:
        self.site = site
        self.start_step = start_step
        self.end_step = site.n_steps if end_step is None else end_step
        check_window(site, self.start_step, self.end_step, bess_soc)
        self._equipment = make_equipment(site)
        self._years = make_years([site])
        self._state = make_state(1, site.n_chargers)
        self._bess_soc = self._first_bess_soc(bess_soc)
        self.reset()

    @property
    def time_step(self) -> int:
        """Step of the next action; `end_step` when the run is over."""
        return int(self._state.time_step[ONLY_ENV])

    @property
    def ev_soc(self) -> FloatArray:
        """State of charge of the connected cars before the action; 0 where none is."""
        return np.array(self._state.ev_soc[ONLY_ENV])

    @property
    def bess_soc(self) -> float:
        """State of charge of the stationary battery before the action (at the end of the year: after the last)."""
        return float(self._state.bess_soc[ONLY_ENV])

    def reset(self) -> None:
        """Go back to the start."""
        start_env(self._equipment, self._years, self._state, ONLY_ENV, ONLY_YEAR, self.start_step, self._bess_soc)

    def step(self, charger_action: FloatArray, bess_action: float = 0.0) -> StepResult:
        """Run one hour; see `Simulator.step`."""
        check_action(self.site, self.time_step, self.end_step, charger_action, bess_action)
        state = self._state
        action = np.asarray(charger_action, dtype=np.float64)
        apply_actions_env(self._equipment, self._years, state, ONLY_ENV, action, float(bess_action))
        result = StepResult(
            net_kwh=float(state.net_kwh[ONLY_ENV]),
            bess_kwh=float(state.bess_kwh[ONLY_ENV]),
            bess_soc=float(state.bess_soc[ONLY_ENV]),
            charger_kwh=state.charger_kwh[ONLY_ENV].copy(),
            ev_soc=state.ev_soc[ONLY_ENV].copy(),
        )
        advance_env(self._equipment, self._years, state, ONLY_ENV)
        return result

    def _first_bess_soc(self, bess_soc: float | None) -> float:
        battery = self._equipment.bess[0]
        if bess_soc is None:
            return float(battery["initial_soc"])
        return float(np.float32(max(bess_soc, battery["min_soc"])))
