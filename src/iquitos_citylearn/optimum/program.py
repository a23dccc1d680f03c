"""The linear program of a year: groups of sessions, grid, and a battery whose dispatch is free in time.

Over steps t and groups g, with the battery's one-way efficiency r; energies in kWh on the site's side:

    minimise    sum_t (import_price_t import_t + export_price_t export_t - stored_price_t (energy_t - energy_{t-1}))
                + peak_price peak + month_peak_price sum_m peak_m
    subject to  import_t - export_t = load_t - pv_t + rigid_t + sum_g X_gt + charge_t - discharge_t
                energy_t = energy_{t-1} + r charge_t - discharge_t / r
                sum_t X_gt = N_g,  0 <= X_gt <= U_g                        (`optimum/fleet.py`)
                0 <= charge_t, discharge_t <= P,  E_min <= energy_t <= C
                import_t <= peak, import_t <= peak_m(t)                    (where a peak is asked for)

Exports are the slack of the balance, no variables. There is always a solution: each car's need is what it can get.

Under an import limit that is no longer so. Then sum_t X_gt <= N_g and import_t <= max(limit, load_t - pv_t), which is
how CityLearn cuts requests (`env/grid.py`) as long as plans ask for what they give. The least unmet energy is found
first, and whatever is minimised later delivers as much.

A battery on automatic dispatch takes whatever surplus it can and covers whatever deficit it can, which is not linear.
Here it is free to wait; of the rule only this is kept, as limits on charge and discharge: it takes no more than the
surplus before cars with a choice, and gives no more than the deficit with all of them at full power. What the rule
does is one of the solutions, so that the optimum is a bound, and one out of reach wherever waiting pays.

A battery of the agent has the limits of its power alone. Charging and discharging in the same hour is not excluded
(that would not be linear): where exports have a price, burning energy so can pay, and the bound is the lower for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import highspy
import numpy as np

from iquitos_citylearn.env.arrays import Equipment
from iquitos_citylearn.env.year import Year
from iquitos_citylearn.optimum.fleet import Fleet, rigid_kwh, sum_by
from iquitos_citylearn.optimum.linear_model import LinearModel
from iquitos_citylearn.site.model import FloatArray, IntArray

UNMET_TOLERANCE_KWH = 1e-6
"""What plans may deliver less than the most that an import limit lets through in the year, to leave the solver room."""

SOLVER_OPTIONS: Mapping[str, bool | int | float | str] = {
    "output_flag": False,
    "threads": 1,
    "random_seed": 0,
    "solver": "simplex",
    "primal_feasibility_tolerance": 1e-9,
    "dual_feasibility_tolerance": 1e-9,
}


@dataclass(frozen=True, kw_only=True)
class Prices:
    """What a program minimises.

    Attributes
    ----------
    grid_import, grid_export, stored : ndarray, shape (n_steps,)
        Price of an imported and of an exported kWh, and worth of a kWh added to the battery's energy.
    peak : float
        Price of a kW of the highest import.
    month_peak : float
        Price of a kW of the highest import of each month.
    unmet : float
        Price of a kWh that cars go without, on the site's side.
    constant : float
        Added to the sum, so that the value is the figure itself.
    """

    grid_import: FloatArray
    grid_export: FloatArray
    stored: FloatArray
    peak: float = 0.0
    month_peak: float = 0.0
    unmet: float = 0.0
    constant: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Solution:
    """An optimal plan.

    Attributes
    ----------
    value : float
        What was minimised.
    slot_kwh : ndarray, shape (n_slots,)
        Energy of each group in each of its hours [kWh].
    import_kwh, bess_kwh : ndarray, shape (n_steps,)
        Grid import, and energy of the freely dispatched battery, charging positive [kWh].
    """

    value: float
    slot_kwh: FloatArray
    import_kwh: FloatArray
    bess_kwh: FloatArray


class Program:
    """The program of one year, kept in the solver: other prices or another peak limit start from the last solution.

    Parameters
    ----------
    year : Year
        The year.
    fleet : Fleet
        From `optimum.fleet.make_fleet` of the same year.

    Attributes
    ----------
    unmet_kwh : float
        Least energy that cars go without under the import limit, on the site's side [kWh]; 0 without one.

    Raises
    ------
    ValueError
        If the stationary battery is not linear, or load alone exceeds the import limit where there is a battery.
    """

    def __init__(self, year: Year, fleet: Fleet) -> None:
        setting = year.setting
        years, equipment = setting.years, setting.equipment
        n_steps = years.load_kwh.shape[1]
        self._slot_step = fleet.slot_step
        self._fixed_kwh = years.load_kwh[0] - years.pv_kwh[0] + rigid_kwh(fleet, n_steps)
        model = LinearModel()
        self._slot = _add_groups(model, fleet)
        self._import = model.add_columns(n_steps, 0.0, _import_bound(equipment, self._fixed_kwh))
        self._peak: int | None = None
        self._month_of_step = np.cumsum(setting.tables.month_start[0]).astype(np.int64) - 1
        self._month_peaks = np.zeros(0, dtype=np.int64)
        none = np.zeros(0, dtype=np.int64)
        self._charge, self._discharge, self._root = none, none, 1.0
        if equipment.bess_present:
            self._root = float(equipment.bess[0]["flat_root"])
            self._charge, self._discharge = _add_battery(model, equipment.bess[0], self._bess_limits(equipment, fleet))
        steps = np.arange(n_steps)
        balance = [(steps, self._import, 1.0), (self._slot_step, self._slot, -1.0)]
        if equipment.bess_present:
            balance += [(steps, self._charge, -1.0), (steps, self._discharge, 1.0)]
        model.add_rows(n_steps, self._fixed_kwh, np.inf, *balance)
        self._solver = highspy.Highs()  # type: ignore[no-untyped-call]
        for option, value in SOLVER_OPTIONS.items():
            self._solver.setOptionValue(option, value)
        self._solver.passModel(model.build())
        self.unmet_kwh = self._deliver_most(fleet) if fleet.may_fall_short else 0.0

    def limit_peak(self, peak_kw: float) -> None:
        """Let no hour import more than this [kW] from now on; infinity for no limit."""
        self._solver.changeColBounds(self._peak_column(), 0.0, peak_kw)

    def limit_import_cost(self, prices: FloatArray, most: float) -> None:
        """Let imports at these prices, shape (n_steps,), cost no more than `most` from now on."""
        indices = self._import.astype(np.int32)
        self._solver.addRow(-highspy.kHighsInf, most, len(indices), indices, np.ascontiguousarray(prices))

    def minimise(self, prices: Prices) -> Solution:
        """Return the plan of least cost within the limits in force.

        Raises
        ------
        RuntimeError
            If the solver ends without an optimum.
        """
        if prices.peak:
            self._peak_column()
        if prices.month_peak and not len(self._month_peaks):
            self._month_peaks = self._add_peaks(self._month_of_step)
        costs = self._costs(prices)
        values = self._solve(costs)
        bess_kwh = np.zeros(len(self._import))
        if len(self._charge):
            bess_kwh = values[self._charge] - values[self._discharge]
        constant = prices.constant - float(prices.grid_export @ self._fixed_kwh) + prices.unmet * self.unmet_kwh
        return Solution(
            value=float(costs @ values) + constant,
            slot_kwh=values[self._slot],
            import_kwh=values[self._import],
            bess_kwh=bess_kwh,
        )

    def _solve(self, costs: FloatArray) -> FloatArray:
        """Return the columns of least cost."""
        self._solver.changeColsCost(len(costs), np.arange(len(costs), dtype=np.int32), costs)
        self._solver.run()
        status = self._solver.getModelStatus()
        if status != highspy.HighsModelStatus.kOptimal:
            raise RuntimeError(f"the linear program ended as {self._solver.modelStatusToString(status)!r}")
        return np.array(self._solver.getSolution().col_value)

    def _deliver_most(self, fleet: Fleet) -> float:
        """Let cars get no less than the most from now on, and return what that leaves unmet [kWh]."""
        costs = np.zeros(self._solver.getNumCol())
        costs[self._slot] = -1.0
        most_kwh = float(self._solve(costs)[self._slot].sum())
        indices, ones = self._slot.astype(np.int32), np.ones(len(self._slot))
        self._solver.addRow(most_kwh - UNMET_TOLERANCE_KWH, highspy.kHighsInf, len(indices), indices, ones)
        return max(float(fleet.group_need_kwh.sum()) - most_kwh, 0.0)

    def _bess_limits(self, equipment: Equipment, fleet: Fleet) -> tuple[FloatArray, FloatArray]:
        """Return the most that the battery can take and give, per step [kWh]."""
        power = np.full(len(self._fixed_kwh), float(equipment.bess[0]["flat_power_kw"]))
        if not equipment.bess_automatic:
            return power, power
        limit = fleet.group_limit_kwh[fleet.slot_group]
        most_kwh = self._fixed_kwh + sum_by(self._slot_step, limit, len(power))
        return np.clip(-self._fixed_kwh, 0.0, power), np.clip(most_kwh, 0.0, power)

    def _costs(self, prices: Prices) -> FloatArray:
        """Return a cost per column; an export is import - load + pv - rigid - X - charge + discharge."""
        costs = np.zeros(self._solver.getNumCol())
        costs[self._slot] = -prices.grid_export[self._slot_step]
        costs[self._import] = prices.grid_import + prices.grid_export
        if len(self._charge):
            costs[self._charge] = -prices.grid_export - self._root * prices.stored
            costs[self._discharge] = prices.grid_export + prices.stored / self._root
        if self._peak is not None:
            costs[self._peak] = prices.peak
        costs[self._month_peaks] = prices.month_peak
        return costs

    def _peak_column(self) -> int:
        """Return the column of the highest import; a program that nobody asked for it does without."""
        if self._peak is None:
            self._peak = int(self._add_peaks(np.zeros(len(self._import), dtype=np.int64))[0])
        return self._peak

    def _add_peaks(self, span: IntArray) -> IntArray:
        """Add the highest import of each span of steps, numbered from 0, shape (n_steps,); return the columns."""
        first, n_spans, n_steps = self._solver.getNumCol(), int(span[-1]) + 1, len(span)
        for _ in range(n_spans):
            self._solver.addCol(0.0, 0.0, highspy.kHighsInf, 0, np.zeros(0, dtype=np.int32), np.zeros(0))
        indices = np.stack([self._import, first + span], axis=1).astype(np.int32).reshape(-1)
        starts = np.arange(0, 2 * n_steps, 2, dtype=np.int32)
        lower, upper = np.full(n_steps, -highspy.kHighsInf), np.zeros(n_steps)
        self._solver.addRows(n_steps, lower, upper, len(indices), starts, indices, np.tile([1.0, -1.0], n_steps))
        return np.arange(first, first + n_spans)


def _add_groups(model: LinearModel, fleet: Fleet) -> IntArray:
    group = fleet.slot_group
    slot = model.add_columns(len(group), 0.0, fleet.group_limit_kwh[group])
    least = np.zeros_like(fleet.group_need_kwh) if fleet.may_fall_short else fleet.group_need_kwh
    model.add_rows(len(fleet.group_need_kwh), least, fleet.group_need_kwh, (group, slot, 1.0))
    return slot


def _import_bound(equipment: Equipment, fixed_kwh: FloatArray) -> FloatArray:
    """Return the most that each step may import [kWh]; load is never cut."""
    beyond = fixed_kwh > equipment.import_limit_kw
    if equipment.bess_present and beyond.any():
        step = int(np.argmax(beyond))
        raise ValueError(
            f"load less PV is {fixed_kwh[step]:g} kW in step {step}, beyond import_limit_kw "
            f"{equipment.import_limit_kw:g}: whether cars may charge then depends on the battery, which is not linear"
        )
    return np.maximum(fixed_kwh, equipment.import_limit_kw)


def _add_battery(model: LinearModel, bess: np.void, limits: tuple[FloatArray, FloatArray]) -> tuple[IntArray, IntArray]:
    _refuse_nonlinear_battery(bess)
    n_steps = len(limits[0])
    root, steps = float(bess["flat_root"]), np.arange(n_steps)
    charge, discharge = (model.add_columns(n_steps, 0.0, limit) for limit in limits)
    energy = model.add_columns(n_steps, float(bess["min_energy_kwh"]), float(bess["capacity_kwh"]))
    before = np.zeros(n_steps)
    before[0] = max(float(bess["min_energy_kwh"]), float(bess["initial_soc"] * bess["capacity_kwh"]))
    kept = (steps[1:], energy[:-1], -1.0)
    model.add_rows(
        n_steps, before, before, (steps, energy, 1.0), kept, (steps, charge, -root), (steps, discharge, 1.0 / root)
    )
    return charge, discharge


def _refuse_nonlinear_battery(bess: np.void) -> None:
    if not bess["is_flat"] or bess["retention"] < 1.0 or bess["fade_kwh"] > 0.0:
        raise ValueError("the stationary battery has curves that are not flat, a standing loss or fade: not linear")
