"""The policy `mpc`: a receding-horizon linear program (`policies/mpc_program.py`), solved anew in every hour.

The program says how much to import and how much the cars get in this hour. The cars share it by laxity, those first
that can still get their need. Cars that arrive later count as if they charged at once. A battery that dispatches itself
is planned as if it were free, and does what it does.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from iquitos_citylearn.env.action import bess_entry
from iquitos_citylearn.env.physics import dispatches_bess
from iquitos_citylearn.env.setting import Setting
from iquitos_citylearn.env.year import Years
from iquitos_citylearn.params import MpcParams, Params
from iquitos_citylearn.policies.level import MOST
from iquitos_citylearn.policies.mpc_program import Classes, RecedingHorizonProgram
from iquitos_citylearn.policies.policy import Rule
from iquitos_citylearn.policies.rules import CarReader, Cars, by_laxity
from iquitos_citylearn.policies.scenarios import (
    SiteReader,
    SiteView,
    lasts_without_grid,
    no_scenarios,
    write_quantiles,
)
from iquitos_citylearn.site.clock import HOURS_PER_DAY
from iquitos_citylearn.site.model import FloatArray

POWER_TOLERANCE_KW = 1e-9
"""Added to what the program gives to the cars: a sum that is rounded down must not leave the last of them short."""
HOPELESS_HOURS = 1e-6
"""Hours that a car's need may exceed its stay by and still count as possible."""
BEHIND_ALL_HOURS = 10 * HOURS_PER_DAY
"""Laxity that puts a car behind all that can still get their need."""


class Mpc(Rule):
    """Plans cars and battery by a linear program in every hour.

    Parameters
    ----------
    setting : Setting
        The years.
    params : MpcParams
        Scenarios and weights.
    """

    def __init__(self, setting: Setting, params: MpcParams) -> None:
        self._lookahead, self._equipment = setting.lookahead, setting.equipment
        self._dispatches = dispatches_bess(setting.equipment)
        self._limited = bool(setting.equipment.import_limited)
        self._power_kw = float(setting.equipment.bess[0]["nominal_power_kw"])
        self._cars, self._site = CarReader(setting), SiteReader(setting)
        self._n_classes = min(max(1, int(setting.horizons.departure_hours)), HOURS_PER_DAY)
        self._program = RecedingHorizonProgram(setting, params, self._n_classes)
        n_scenarios = self._program.n_scenarios
        self._pv_share = params.pv_share
        middles = (np.arange(n_scenarios) + 0.5) / n_scenarios
        self._quantiles = params.spread * ndtri(middles)
        self._scenarios = no_scenarios(n_scenarios)

    def decide(self, observation: NDArray[np.float32]) -> FloatArray:
        """Return the actions, a dispatched battery's last, shape (batch, n_actions)."""
        view, cars = self._site.read(observation), self._cars.read(observation)
        usable_kw = cars.share * self._cars.rating_kw
        targets, powers = np.zeros(len(observation)), usable_kw.sum(axis=1)
        for row in range(len(observation)):
            if powers[row] > 0.0 or self._dispatches:
                own = Cars(*(part[row : row + 1] for part in cars))
                targets[row], powers[row] = self._plan(view, own, row)
        given_kw = np.minimum(by_laxity(_servable(cars), usable_kw, powers + POWER_TOLERANCE_KW), usable_kw)
        part = np.divide(given_kw, usable_kw, out=np.zeros_like(usable_kw), where=usable_kw > 0.0)
        action = 2.0 * part - 1.0
        if not self._dispatches:
            return action
        share = np.minimum(targets / self._power_kw, MOST)
        return np.column_stack([action, bess_entry(share, np.zeros(len(share)))])

    def _plan(self, view: SiteView, cars: Cars, row: int) -> tuple[float, float]:
        """Return import target and power of the cars of one observation [kW]."""
        expected, hour = self._lookahead.expected, int(view.hour[row])
        classes = self._classes(cars)
        leaving = np.flatnonzero(classes.need_kwh)
        n_hours = int(leaving.max(initial=0)) + 1
        if self._program.plans_nights:
            n_hours = max(n_hours, (expected.refill_hour - hour - 1) % HOURS_PER_DAY + 1)
        write_quantiles(
            self._scenarios,
            expected,
            self._lookahead.error_std,
            self._quantiles,
            self._pv_share,
            hour,
            float(view.residual[row]),
            float(view.needed_kw[row]),
            view.forecast_kw[row],
            n_hours,
        )
        stored, peak = float(view.stored_kwh[row]), float(view.month_peak_kw[row])
        if not self._limited and lasts_without_grid(self._lookahead.store, self._scenarios, stored, n_hours):
            return 0.0, float(view.needed_kw[row])
        return self._program.solve(self._scenarios, hour, n_hours, stored, peak, classes)

    def _classes(self, cars: Cars) -> Classes:
        rating = self._cars.rating_kw
        leaves = np.clip(cars.hours_left[0].astype(np.int64) - 1, 0, self._n_classes - 1)
        needs = cars.needed_hours[0] > 0.0

        def total(hours: FloatArray) -> FloatArray:
            return np.bincount(leaves, hours * rating * needs, minlength=self._n_classes).astype(np.float64)

        return Classes(
            total(cars.needed_hours[0]), total(cars.share[0]), total(np.ones(len(rating))), total(cars.urgent_share[0])
        )


def _servable(cars: Cars) -> Cars:
    """Return the cars with those last that can't get their need any more."""
    hopeless = cars.hours_left < cars.needed_hours - HOPELESS_HOURS
    return cars._replace(hours_left=np.where(hopeless, cars.hours_left + BEHIND_ALL_HOURS, cars.hours_left))


def mpc(years: Years, params: Params, seed: int) -> Rule:
    """Return the policy `mpc`."""
    del seed
    return Mpc(years.setting, params.control.mpc)
