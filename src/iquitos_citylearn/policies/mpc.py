"""The policy `mpc`: a receding-horizon linear program (HiGHS), solved anew in every hour.

The decision of this hour is common to all scenarios of load and PV; after it each scenario has a dispatch of its own:

    minimise    mean over s of ( sum_k price_k import_sk + peak_worth peak_s - stored_worth energy_s,end )
                + sum_dk k wait_price x_dk + short_price sum_d short_d + over_price mean over s of sum_k over_sk
    subject to  import_sk + discharge_sk - charge_sk >= load_sk + arrivals_sk - pv_sk + sum_d x_dk
                energy_sk = energy_s(k-1) + r charge_sk - discharge_sk / r,   E_min <= energy_sk <= C
                sum_k x_dk + short_d = need_d,  0 <= x_dk <= rating_d         (cars that leave in d hours, together)
                import_sk <= peak_s,  peak_s >= the month's peak so far       (under a demand charge)
                import_sk <= limit + over_sk                                  (under an import limit)

Exports earn nothing and are the slack of the balance. In the hour that begins, k = 0, all scenarios are what is
expected. The price of waiting lets cars charge at once wherever that costs no more. Cars that arrive later count as if
they charged at once. The energy of this hour is shared among the cars by laxity, those first that can still get their
need. A battery that dispatches itself is planned as if it were free, and does what it does.
"""

from typing import NamedTuple

import highspy
import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import ndtri

from iquitos_citylearn.env.action import bess_entry
from iquitos_citylearn.env.physics import dispatches_bess
from iquitos_citylearn.env.setting import Setting
from iquitos_citylearn.env.year import Years
from iquitos_citylearn.params import MpcParams, Params
from iquitos_citylearn.policies.level import MOST
from iquitos_citylearn.policies.policy import Rule
from iquitos_citylearn.policies.rules import CarReader, Cars, by_laxity
from iquitos_citylearn.policies.scenarios import (
    Scenarios,
    SiteReader,
    SiteView,
    lasts_without_grid,
    no_scenarios,
    write_quantiles,
)
from iquitos_citylearn.site.clock import HOURS_PER_DAY
from iquitos_citylearn.site.model import FloatArray, IntArray

SHORT_PRICE = 100.0
"""Price of a kWh that a connected car goes without, as a multiple of the highest tariff."""
OVER_PRICE = 50.0
"""Price of a kWh that later cars or the load lack under an import limit, in the same unit."""
WAIT_PRICE = 1e-4
"""Price of an hour's waiting for a kWh, in the same unit."""
FULL_HOUR = 1e-9
SOLVER_OPTIONS = {"output_flag": False, "threads": 1, "random_seed": 0, "solver": "simplex", "presolve": "off"}
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
        self.n_scenarios = params.n_scenarios if self._with_store or self._charge else 1
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
            cost[columns.peak] = 1.0 / self.n_scenarios * self._charge * self._params.peak_weight
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
        solver.changeRowsBounds(len(row_lower), self._all_rows, row_lower, row_upper)
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
        """Number the rows, and return the program without its numbers of an hour."""
        columns = self._columns
        shape = columns.grid.shape
        entries: list[tuple[IntArray, IntArray, float]] = []
        count = 0

        def rows(number: int) -> IntArray:
            nonlocal count
            count += number
            return np.arange(count - number, count)

        def shared(first: IntArray) -> IntArray:
            """Return rows of shape (K, H) of which the first hour's is common."""
            numbered = np.concatenate([np.full((shape[0], 1), first[0]), first[1:].reshape(shape[0], -1)], axis=1)
            return numbered

        n_nodes = 1 + shape[0] * (shape[1] - 1)
        self._balance = shared(rows(n_nodes))
        leaves = np.concatenate([[[0, 0]], [(s, k) for s in range(shape[0]) for k in range(1, shape[1])]])
        scenario, step = leaves[:, 0], leaves[:, 1]
        balance = self._balance[scenario, step]
        entries.append((balance, columns.grid[scenario, step], 1.0))
        for of_class in columns.cars:
            there = of_class[step] >= 0
            entries.append((balance[there], of_class[step][there], -1.0))
        if self._with_store:
            root = self._store.root
            entries.append((balance, columns.discharge[scenario, step], 1.0))
            entries.append((balance, columns.charge[scenario, step], -1.0))
            self._energy_rows = shared(rows(n_nodes))
            energy = self._energy_rows[scenario, step]
            entries.append((energy, columns.energy[scenario, step], 1.0))
            entries.append((energy[1:], columns.energy[scenario[1:], step[1:] - 1], -1.0))
            entries.append((energy, columns.charge[scenario, step], -root))
            entries.append((energy, columns.discharge[scenario, step], 1.0 / root))
        self._need_rows = rows(len(columns.short))
        for row, of_class, short in zip(self._need_rows, columns.cars, columns.short, strict=True):
            hours = of_class[of_class >= 0]
            entries.append((np.full(len(hours), row), hours, 1.0))
            entries.append((np.array([row]), np.array([short]), 1.0))
        n_equal = count
        if self._charge:
            peaks = rows(shape[0] * shape[1])
            entries.append((peaks, columns.grid.reshape(-1), 1.0))
            entries.append((peaks, np.repeat(columns.peak, shape[1]), -1.0))
        n_peaks = count
        if self._limited:
            limits = rows(n_nodes)
            entries.append((limits, columns.grid[scenario, step], 1.0))
            entries.append((limits, columns.over[scenario, step], -1.0))
        self._row_lower, self._row_upper = np.zeros(count), np.zeros(count)
        self._row_upper[:n_nodes] = EVERYTHING
        self._row_lower[n_equal:] = -EVERYTHING
        self._row_upper[n_peaks:] = self._limit_kw
        row, column = (np.concatenate([entry[part] for entry in entries]) for part in (0, 1))
        values = np.concatenate([np.full(len(entry[0]), entry[2]) for entry in entries])
        matrix = sparse.csc_array((values, (row, column)), shape=(count, self._n_columns))
        program = highspy.HighsLp()
        program.num_col_, program.num_row_ = self._n_columns, count
        program.col_cost_ = program.col_lower_ = program.col_upper_ = np.zeros(self._n_columns)
        program.row_lower_, program.row_upper_ = self._row_lower, self._row_upper
        program.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        program.a_matrix_.start_, program.a_matrix_.index_ = matrix.indptr, matrix.indices
        program.a_matrix_.value_ = matrix.data
        return program


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
        self._n_classes = min(int(setting.horizons.departure_hours), HOURS_PER_DAY)
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
        given_kw = np.minimum(by_laxity(_servable(cars), usable_kw, powers + FULL_HOUR), usable_kw)
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
            return np.bincount(leaves, hours * rating * needs, minlength=self._n_classes)

        return Classes(
            total(cars.needed_hours[0]), total(cars.share[0]), total(np.ones(len(rating))), total(cars.urgent_share[0])
        )


def _servable(cars: Cars) -> Cars:
    """Return the cars with those last that can't get their need any more."""
    hopeless = cars.hours_left < cars.needed_hours - 1e-6
    return cars._replace(hours_left=np.where(hopeless, cars.hours_left + 10 * HOURS_PER_DAY, cars.hours_left))


def mpc(years: Years, params: Params, seed: int) -> Rule:
    """Return the policy `mpc`."""
    del seed
    return Mpc(years.setting, params.control.mpc)
