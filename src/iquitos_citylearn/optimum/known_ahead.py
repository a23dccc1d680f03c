"""A battery planned with perfect forecasts that end somewhere: at the next refill, the end of a month or of the year.

A window is a run of hours that is known from its first hour on; nothing after it is. For each window a linear program
finds the imports of least cost, with the cars as a rule charges them, from the energy and the month's peak that the
windows before have left:

    minimise    sum_t price_t import_t + charge sum_m peak_m
    subject to  import_t + discharge_t - take_t >= lacking_t            (load and cars less PV; exports are the slack)
                energy_t = energy_(t-1) + r take_t - discharge_t / r,   E_min <= energy_t <= C
                0 <= take_t, discharge_t <= P
                import_t <= peak_m(t),  peak_0 >= the month's peak so far

A window that ends in the first night of a month counts these hours with the month before. That month's peak is the best
guess of the next one's: to count from 0 would make every import of that night look like a peak of its own.

The battery follows the imports as targets: it takes any further surplus, which costs nothing.
"""

from collections.abc import Callable
from typing import NamedTuple

import highspy
import numpy as np
from numpy.typing import NDArray

from iquitos_citylearn.env.night import Store
from iquitos_citylearn.env.year import Years
from iquitos_citylearn.optimum.linear_model import LinearModel
from iquitos_citylearn.optimum.program import SOLVER_OPTIONS
from iquitos_citylearn.policies.level import ImportTarget
from iquitos_citylearn.policies.policy import Rule
from iquitos_citylearn.policies.rollout import roll_out_years
from iquitos_citylearn.site.model import FloatArray, IntArray

Windows = Callable[[Years], IntArray]
"""Function of years that returns the steps in which windows begin."""


class Window(NamedTuple):
    """The hours of a window, n of them.

    Attributes
    ----------
    lacking_kwh, price_usd_per_kwh : ndarray, shape (n,)
        Load and cars less PV [kWh], and the tariff.
    month : ndarray of int64, shape (n,)
        Month that each hour counts with, the window's first month 0.
    """

    lacking_kwh: FloatArray
    price_usd_per_kwh: FloatArray
    month: IntArray


def least_cost_imports(
    window: Window, store: Store, stored_kwh: float, peak_kw: float, charge_usd_per_kw: float
) -> FloatArray:
    """Return the imports of least cost, shape (n,) [kWh].

    Parameters
    ----------
    window : Window
        What is known.
    store : Store
        The battery.
    stored_kwh, peak_kw : float
        Energy in it [kWh] and highest import of the first month so far [kW].
    charge_usd_per_kw : float
        Demand charge on the highest import of each month.

    Raises
    ------
    RuntimeError
        If the solver ends without an optimum.
    """
    n = len(window.lacking_kwh)
    hours = np.arange(n)
    model = LinearModel()
    imports = model.add_columns(n, 0.0, np.inf)
    take, discharge = model.add_columns(n, 0.0, store.power_kw), model.add_columns(n, 0.0, store.power_kw)
    energy = model.add_columns(n, store.min_kwh, store.capacity_kwh)
    least_peak = np.zeros(int(window.month[-1]) + 1)
    least_peak[0] = peak_kw
    peaks = model.add_columns(len(least_peak), least_peak, np.inf)
    model.add_rows(n, window.lacking_kwh, np.inf, (hours, imports, 1.0), (hours, discharge, 1.0), (hours, take, -1.0))
    before = np.zeros(n)
    before[0] = min(max(stored_kwh, store.min_kwh), store.capacity_kwh)
    kept = (hours[1:], energy[:-1], -1.0)
    flows = (hours, take, -store.root), (hours, discharge, 1.0 / store.root)
    model.add_rows(n, before, before, (hours, energy, 1.0), kept, *flows)
    model.add_rows(n, -np.inf, 0.0, (hours, imports, 1.0), (hours, peaks[window.month], -1.0))
    program = model.build()
    cost = np.zeros(program.num_col_)
    cost[imports], cost[peaks] = window.price_usd_per_kwh, charge_usd_per_kw
    program.col_cost_ = cost
    return np.maximum(_solve(program)[imports], 0.0)


def _solve(program: highspy.HighsLp) -> FloatArray:
    solver = highspy.Highs()  # type: ignore[no-untyped-call]
    for option, value in SOLVER_OPTIONS.items():
        solver.setOptionValue(option, value)
    solver.passModel(program)
    solver.run()
    status = solver.getModelStatus()
    if status != highspy.HighsModelStatus.kOptimal:
        raise RuntimeError(f"the linear program of a window ended as {solver.modelStatusToString(status)!r}")
    return np.array(solver.getSolution().col_value)


class KnownAhead(ImportTarget):
    """Leaves the cars to a rule, and plans the battery window by window.

    As `policies.plans.PlanPolicy` it counts its hours: it decides for whole years, side by side, from their start.

    Parameters
    ----------
    cars : Rule
        Decides on the chargers; what they take must not depend on the battery.
    years : Years
        The years, under the actions of that rule.
    starts : ndarray of int64, shape (n_windows,)
        Steps in which windows begin, 0 first; each ends where the next begins.
    """

    def __init__(self, cars: Rule, years: Years, starts: IntArray) -> None:
        super().__init__(cars, years.setting)
        setting = years.setting
        cars_kwh = np.stack([rollout.ev_kwh for rollout in roll_out_years(cars, setting)])
        self._lacking_kwh = setting.years.load_kwh + cars_kwh - setting.years.pv_kwh
        self._price = setting.years.price_usd_per_kwh
        self._month = np.cumsum(setting.tables.month_start, axis=1).astype(np.int64)
        self._charge, self._store = setting.tables.demand_charge_usd_per_kw, setting.lookahead.store
        self._end = dict(zip(starts.tolist(), [*starts[1:].tolist(), self._price.shape[1]], strict=True))
        self._import_kw = np.zeros_like(self._price)
        self._step = 0

    def target_kw(self, observation: NDArray[np.float32]) -> FloatArray:
        """Return the planned import of the next hour of each year [kW], shape (batch,)."""
        step = self._step
        if step in self._end:
            hours, view = slice(step, self._end[step]), self.reader.read(observation)
            for y in range(len(observation)):
                window = Window(self._lacking_kwh[y, hours], self._price[y, hours], self._months(y, hours))
                stored, peak = float(view.stored_kwh[y]), float(view.month_peak_kw[y])
                self._import_kw[y, hours] = least_cost_imports(window, self._store, stored, peak, self._charge)
        self._step = (step + 1) % self._price.shape[1]
        return self._import_kw[:, step]

    def _months(self, y: int, hours: slice) -> IntArray:
        """Return the month that each hour of a window counts with, the first one 0."""
        month = self._month[y, hours]
        last = month[-1] if hours.stop == self._month.shape[1] else max(month[-1] - 1, month[0])
        return np.asarray(np.minimum(month, last) - month[0], dtype=np.int64)


def whole_year(years: Years) -> IntArray:
    """Return the start of a window that is the whole year."""
    del years
    return np.zeros(1, dtype=np.int64)


def until_refill(years: Years) -> IntArray:
    """Return the starts of windows from a day's refill to the next one (`Expectations.refill_hour`)."""
    refill = np.flatnonzero(years[0].site.hour - 1 == years.setting.lookahead.expected.refill_hour)
    return np.union1d(0, refill)


def until_next_month(years: Years) -> IntArray:
    """Return the starts of windows from the first refill of a month to that of the next.

    A window has to reach beyond the last night: a battery that may be empty at midnight would be.
    """
    refill = until_refill(years)
    month = years[0].site.month[refill]
    return refill[np.flatnonzero(np.diff(month, prepend=-1) != 0)]
