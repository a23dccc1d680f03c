"""The linear program of the policy `mpc` (HiGHS): the hours from now on, in scenarios of load and PV.

The decision of this hour is common to all scenarios; after it each has a dispatch of its own:

    minimise    mean over s of ( sum_k price_k import_sk + demand_charge peak_s - stored_worth energy_s,end )
                + sum_dk k wait_price x_dk + short_price sum_d short_d + over_price mean over s of sum_k over_sk
    subject to  import_sk + discharge_sk - charge_sk >= load_sk + arrivals_sk - pv_sk + sum_d x_dk
                energy_sk = energy_s(k-1) + r charge_sk - discharge_sk / r,   E_min <= energy_sk <= C
                sum_k x_dk + short_d = need_d,  0 <= x_dk <= rating_d         (cars that leave in d hours, together)
                import_sk <= peak_s,  peak_s >= the month's peak so far       (under a demand charge)
                import_sk <= limit + over_sk                                  (under an import limit)

Exports earn nothing and are the slack of the balance. In the hour that begins, k = 0, all scenarios are what is
expected. The price of waiting lets cars charge at once wherever that costs no more.
"""

from collections.abc import Mapping
from typing import NamedTuple

import highspy
import numpy as np
from scipy import sparse

from iquitos_citylearn.env.physics import dispatches_bess
from iquitos_citylearn.env.setting import Setting
from iquitos_citylearn.params import MpcParams
from iquitos_citylearn.policies.scenarios import Scenarios
from iquitos_citylearn.site.clock import HOURS_PER_DAY
from iquitos_citylearn.site.model import FloatArray, IntArray

SHORT_PRICE = 100.0
"""Price of a kWh that a connected car goes without, as a multiple of the highest tariff."""
OVER_PRICE = 50.0
"""Price of a kWh that later cars or the load lack under an import limit, in the same unit."""
WAIT_PRICE = 1e-4
"""Price of an hour's waiting for a kWh, in the same unit."""
SOLVER_OPTIONS: Mapping[str, bool | int | float | str] = {
    "output_flag": False,
    "threads": 1,
    "random_seed": 0,
    "solver": "simplex",
    "presolve": "off",
}
EVERYTHING = highspy.kHighsInf


class Classes(NamedTuple):
    """Cars by the hours until they leave; arrays of shape (D,), class 0 leaves after this hour.

    Attributes
    ----------
    need_kwh, now_kwh, hour_kwh, urgent_kwh : ndarray
        Need, what this hour and what each later one can give at most, and what must be given in this hour [kWh].
    """

    need_kwh: FloatArray
    now_kwh: FloatArray
    hour_kwh: FloatArray
    urgent_kwh: FloatArray


class _Columns(NamedTuple):
    """Columns of the program; K scenarios, H hours, D classes.

    Attributes
    ----------
    grid, charge, discharge, energy, over : ndarray of int64, shape (K, H)
        By scenario and hour; in the first hour all scenarios share theirs.
    peak : ndarray, shape (K,)
    cars : ndarray, shape (D, H)
        -1 after the class has left.
    short : ndarray, shape (D,)
    """

    grid: IntArray
    charge: IntArray
    discharge: IntArray
    energy: IntArray
    over: IntArray
    peak: IntArray
    cars: IntArray
    short: IntArray


class RecedingHorizonProgram:
    """The program of one site; its matrix is the same for every hour.

    Parameters
    ----------
    setting : Setting
        The site.
    params : MpcParams
        Scenarios and weights.
    n_classes : int
        Hours ahead in which cars leave at most.
    """

    def __init__(self, setting: Setting, params: MpcParams, n_classes: int) -> None:
        equipment, tables = setting.equipment, setting.tables
        self._store, self._expected = setting.lookahead.store, setting.lookahead.expected
        self._with_store = bool(equipment.bess_present)
        self._charge = tables.demand_charge_usd_per_kw
        self._limit_kw = float(equipment.import_limit_kw)
        self._limited = bool(equipment.import_limited)
        self._params = params
        self.n_scenarios = params.n_scenarios if dispatches_bess(equipment) or self._charge else 1
        self.plans_nights = self._with_store or bool(self._charge)
        self._columns, self._n_columns = _number(self.n_scenarios, n_classes)
        self._solver = highspy.Highs()  # type: ignore[no-untyped-call]
        for option, value in SOLVER_OPTIONS.items():
            self._solver.setOptionValue(option, value)
        self._solver.passModel(self._build())
        self._all_columns = np.arange(self._n_columns, dtype=np.int32)
        self._all_rows = np.arange(len(self._row_lower), dtype=np.int32)

    def solve(
        self, scenarios: Scenarios, hour: int, n_hours: int, stored_kwh: float, peak_kw: float, classes: Classes
    ) -> tuple[float, float]:
        """Return import and energy of all connected cars in the hour that begins [kWh].

        Parameters
        ----------
        scenarios : Scenarios
            Load, cars that arrive later and PV of the next hours; the cars of the first hour do not count.
        hour, n_hours : int
            Hour of the day that begins, and number of hours to plan.
        stored_kwh, peak_kw : float
            Energy in the battery [kWh], and highest import of the month so far [kW].
        classes : Classes
            The connected cars.

        Raises
        ------
        RuntimeError
            If the solver ends without an optimum.
        """
        columns = self._columns
        lower, upper, cost = np.zeros(self._n_columns), np.zeros(self._n_columns), np.zeros(self._n_columns)
        price = self._expected.price_usd_per_kwh[(hour + np.arange(n_hours)) % HOURS_PER_DAY]
        dear = float(self._expected.price_usd_per_kwh.max()) or 1.0
        weight = np.full(n_hours, 1.0 / self.n_scenarios)
        weight[0] = 1.0  # all scenarios share the first hour
        planned = slice(0, n_hours)
        upper[columns.grid[:, planned]] = EVERYTHING
        cost[columns.grid[:, planned]] = weight * price
        if self._limited:
            upper[columns.over[:, planned]] = EVERYTHING
            cost[columns.over[:, planned]] = weight * OVER_PRICE * dear
        if self._with_store:
            for column in (columns.charge, columns.discharge):
                upper[column[:, planned]] = self._store.power_kw
            lower[columns.energy], upper[columns.energy] = self._store.min_kwh, self._store.capacity_kwh
            stored_worth = self._params.stored_worth_share * dear * self._store.root
            cost[columns.energy[:, n_hours - 1]] = -weight[-1] * stored_worth
        if self._charge:
            lower[columns.peak], upper[columns.peak] = peak_kw, EVERYTHING
            cost[columns.peak] = self._charge / self.n_scenarios
        self._bound_cars(lower, upper, cost, classes, n_hours, dear)
        fixed = scenarios.load_kw + scenarios.cars_kw - scenarios.pv_kw[:, :HOURS_PER_DAY]
        fixed[:, n_hours:] = -EVERYTHING
        row_lower, row_upper = self._row_lower.copy(), self._row_upper.copy()
        row_lower[self._balance] = fixed
        row_lower[self._balance[0, 0]] = float((scenarios.load_kw[:, 0] - scenarios.pv_kw[:, 0]).mean())
        if self._with_store:
            row_lower[self._energy_rows[0, 0]] = row_upper[self._energy_rows[0, 0]] = stored_kwh
        row_lower[self._need_rows] = row_upper[self._need_rows] = classes.need_kwh
        solver = self._solver
        solver.clearSolver()  # the plan of an hour does not depend on the hours before
        solver.changeColsBounds(self._n_columns, self._all_columns, lower, upper)
        solver.changeColsCost(self._n_columns, self._all_columns, cost)
        solver.changeRowsBounds(len(row_lower), self._all_rows, row_lower, row_upper)  # type: ignore[attr-defined]
        solver.run()
        status = solver.getModelStatus()
        if status == highspy.HighsModelStatus.kUnknown:  # a rare basis from which simplex alone does not end
            status = _solve_presolved(solver)
        if status != highspy.HighsModelStatus.kOptimal:
            raise RuntimeError(f"mpc: the linear program ended as {solver.modelStatusToString(status)!r}")
        values = np.array(solver.getSolution().col_value)
        return float(values[columns.grid[0, 0]]), float(values[columns.cars[:, 0]].sum())

    def _bound_cars(
        self, lower: FloatArray, upper: FloatArray, cost: FloatArray, classes: Classes, n_hours: int, dear: float
    ) -> None:
        columns = self._columns
        for leaves, of_class in enumerate(columns.cars):
            hours = min(leaves + 1, n_hours)
            upper[of_class[:hours]] = classes.hour_kwh[leaves]
            upper[of_class[0]] = classes.now_kwh[leaves]
            cost[of_class[:hours]] = WAIT_PRICE * dear * np.arange(hours)
            if not self._limited:
                lower[of_class[0]] = classes.urgent_kwh[leaves]
        upper[columns.short] = EVERYTHING
        cost[columns.short] = SHORT_PRICE * dear

    def _build(self) -> highspy.HighsLp:
        """Return the program without its numbers of an hour."""
        columns, rows, (scenario, step) = self._columns, _Rows(), self._nodes()
        self._balance = self._shared(rows.take(len(step)))
        balance = self._balance[scenario, step]
        rows.add(balance, columns.grid[scenario, step], 1.0)
        for of_class in columns.cars:
            there = of_class[step] >= 0
            rows.add(balance[there], of_class[step][there], -1.0)
        if self._with_store:
            self._add_store(rows, balance, scenario, step)
        self._need_rows = rows.take(len(columns.short))
        for row, of_class, short in zip(self._need_rows, columns.cars, columns.short, strict=True):
            hours = of_class[of_class >= 0]
            rows.add(np.full(len(hours), row), hours, 1.0)
            rows.add(np.array([row]), np.array([short]), 1.0)
        n_equal = rows.count
        if self._charge:
            peaks = rows.take(columns.grid.size)
            rows.add(peaks, columns.grid.reshape(-1), 1.0)
            rows.add(peaks, np.repeat(columns.peak, HOURS_PER_DAY), -1.0)
        n_peaks = rows.count
        if self._limited:
            limits = rows.take(len(step))
            rows.add(limits, columns.grid[scenario, step], 1.0)
            rows.add(limits, columns.over[scenario, step], -1.0)
        self._row_lower, self._row_upper = np.zeros(rows.count), np.zeros(rows.count)
        self._row_upper[: len(step)] = EVERYTHING
        self._row_lower[n_equal:] = -EVERYTHING
        self._row_upper[n_peaks:] = self._limit_kw
        return self._as_program(rows.matrix(self._n_columns))

    def _add_store(self, rows: "_Rows", balance: IntArray, scenario: IntArray, step: IntArray) -> None:
        """Add the battery to the balance, and the rows of its energy."""
        columns, root = self._columns, self._store.root
        rows.add(balance, columns.discharge[scenario, step], 1.0)
        rows.add(balance, columns.charge[scenario, step], -1.0)
        self._energy_rows = self._shared(rows.take(len(step)))
        energy = self._energy_rows[scenario, step]
        rows.add(energy, columns.energy[scenario, step], 1.0)
        rows.add(energy[1:], columns.energy[scenario[1:], step[1:] - 1], -1.0)
        rows.add(energy, columns.charge[scenario, step], -root)
        rows.add(energy, columns.discharge[scenario, step], 1.0 / root)

    def _nodes(self) -> tuple[IntArray, IntArray]:
        """Return scenario and hour of every decision: the common one of the first hour, then each scenario's own."""
        own = [(s, k) for s in range(self.n_scenarios) for k in range(1, HOURS_PER_DAY)]
        nodes = np.array([(0, 0), *own])
        return nodes[:, 0], nodes[:, 1]

    def _shared(self, nodes: IntArray) -> IntArray:
        """Return numbers of nodes by scenario and hour, shape (K, H); all scenarios have the first."""
        first = np.full((self.n_scenarios, 1), nodes[0])
        return np.concatenate([first, nodes[1:].reshape(self.n_scenarios, -1)], axis=1)

    def _as_program(self, matrix: sparse.csc_array) -> highspy.HighsLp:
        program = highspy.HighsLp()
        program.num_col_, program.num_row_ = self._n_columns, len(self._row_lower)
        program.col_cost_ = program.col_lower_ = program.col_upper_ = np.zeros(self._n_columns)
        program.row_lower_, program.row_upper_ = self._row_lower, self._row_upper
        program.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        program.a_matrix_.start_, program.a_matrix_.index_ = matrix.indptr, matrix.indices
        program.a_matrix_.value_ = matrix.data
        return program


class _Rows:
    """Rows of a program and their entries, while they are collected."""

    def __init__(self) -> None:
        self.count = 0
        self._entries: list[tuple[IntArray, IntArray, float]] = []

    def take(self, number: int) -> IntArray:
        """Return the numbers of new rows."""
        self.count += number
        return np.arange(self.count - number, self.count)

    def add(self, rows: IntArray, columns: IntArray, value: float) -> None:
        """Add an entry to each of some rows."""
        self._entries.append((rows, columns, value))

    def matrix(self, n_columns: int) -> sparse.csc_array:
        """Return the entries as a matrix."""
        rows, columns = (np.concatenate([entry[part] for entry in self._entries]) for part in (0, 1))
        values = np.concatenate([np.full(len(entry[0]), entry[2]) for entry in self._entries])
        return sparse.csc_array((values, (rows, columns)), shape=(self.count, n_columns))


def _solve_presolved(solver: highspy.Highs) -> highspy.HighsModelStatus:
    """Solve a program anew, simplified first, and return how that ended."""
    solver.setOptionValue("presolve", "on")
    solver.clearSolver()
    solver.run()
    solver.setOptionValue("presolve", "off")
    return solver.getModelStatus()


def _number(n_scenarios: int, n_classes: int) -> tuple[_Columns, int]:
    count = 0

    def take(number: int) -> IntArray:
        nonlocal count
        count += number
        return np.arange(count - number, count)

    def nodes() -> IntArray:
        first = np.repeat(take(1), n_scenarios)[:, None]
        return np.concatenate([first, take(n_scenarios * (HOURS_PER_DAY - 1)).reshape(n_scenarios, -1)], axis=1)

    grid, charge, discharge, energy, over = (nodes() for _ in range(5))
    peak = take(n_scenarios)
    cars = np.full((n_classes, HOURS_PER_DAY), -1)
    for leaves in range(n_classes):
        cars[leaves, : leaves + 1] = take(leaves + 1)
    return _Columns(grid, charge, discharge, energy, over, peak, cars, take(n_classes)), count
