"""Optima of a year: the bound of the linear program, and the plan behind it, replayed in the simulator."""

from dataclasses import dataclass

import numpy as np

from iquitos_citylearn.env.action import bess_entry, mapping_code
from iquitos_citylearn.env.physics import dispatches_bess
from iquitos_citylearn.env.year import Year, Years
from iquitos_citylearn.optimum.fleet import charger_plan, earliest_plan, make_fleet
from iquitos_citylearn.optimum.objectives import objective_named
from iquitos_citylearn.optimum.program import Program, Solution
from iquitos_citylearn.params import Params
from iquitos_citylearn.policies.plans import PlanPolicy, PolicyPerYear
from iquitos_citylearn.policies.rollout import roll_out
from iquitos_citylearn.site.model import FloatArray

PEAK_TOLERANCE_KW = 1e-6
"""Tolerance on the least peak, so that the solver finds room for the least CO2."""


@dataclass(frozen=True, kw_only=True)
class Optimum:
    """The optimum for one objective; less is better (`optimum.objectives`).

    Attributes
    ----------
    objective : str
        Its name.
    bound : float
        Value of the linear program: no policy that serves every car can do better; under an import limit none that
        leaves the least unmet. With a battery on automatic dispatch it is out of reach wherever waiting would pay for
        the battery.
    replayed : float
        Result of the plan in the simulator.
    import_kwh, bess_kwh : ndarray, shape (n_steps,)
        Grid import and battery energy, charging positive, of the linear program's own dispatch [kWh].
    policy : PlanPolicy
        The plan as a policy.
    """

    objective: str
    bound: float
    replayed: float
    import_kwh: FloatArray
    bess_kwh: FloatArray
    policy: PlanPolicy

    def summary(self) -> dict[str, float | str]:
        """Return bound, replayed value, their difference and the unit, for a result."""
        return {
            "unit": objective_named(self.objective).unit,
            "bound": self.bound,
            "replayed": self.replayed,
            "replayed_minus_bound": self.replayed - self.bound,
        }


class Optimiser:
    """Finds optima of one year; one linear program serves all objectives.

    Parameters
    ----------
    year : Year
        The year, under the mapping `raw`.

    Raises
    ------
    ValueError
        If the mapping is another, or a charger, a car or the battery is not linear.
    """

    def __init__(self, year: Year) -> None:
        if year.setting.mapping != mapping_code("raw"):
            raise ValueError("a plan is replayed under the action mapping 'raw', and the setting has another")
        self._year = year
        self._shape = year.site.n_steps, year.site.n_chargers
        self._fleet = make_fleet(year)
        self.program = Program(year, self._fleet)

    def optimum(self, objective: str) -> Optimum:
        """Return the optimum for an objective by its name.

        With a battery on automatic dispatch, the plan of the linear program can do worse in the simulator than charging
        at once up to the need. Then charging at once is the plan, so that the optimum is never worse. Under an import
        limit charging at once leaves more energy unmet, so it is not considered.

        Raises
        ------
        ValueError
            If there is no such objective, or it is not linear at this site.
        RuntimeError
            If the solver ends without an optimum.
        """
        solution = self.program.minimise(objective_named(objective).prices(self._year))
        bound = solution.value
        if objective == "peak_import":
            solution = self.least_co2(bound + PEAK_TOLERANCE_KW)
        plans = [self.policy(solution)] if self._fleet.may_fall_short else [self.policy(solution), self.at_once()]
        replayed = [(self._figure(objective, policy), policy) for policy in plans]
        value, policy = min(replayed, key=lambda pair: pair[0])
        return Optimum(
            objective=objective,
            bound=bound,
            replayed=value,
            import_kwh=solution.import_kwh,
            bess_kwh=solution.bess_kwh,
            policy=policy,
        )

    def least_co2(self, peak_kw: float) -> Solution:
        """Return the plan of least CO2 among those that import no more than `peak_kw` in any hour."""
        self.program.limit_peak(peak_kw)
        solution = self.program.minimise(objective_named("co2").prices(self._year))
        self.program.limit_peak(float("inf"))
        return solution

    def policy(self, solution: Solution) -> PlanPolicy:
        """Return the plan of a solution as a policy, with the battery's where the agent dispatches it."""
        charger_kwh = charger_plan(self._fleet, solution.slot_kwh, *self._shape)
        equipment, years = self._year.setting.equipment, self._year.setting.years
        if not dispatches_bess(equipment):
            return self._as_policy(charger_kwh)
        power_kw = float(equipment.bess[0]["nominal_power_kw"])
        deficit_kwh = years.load_kwh[0] - years.pv_kwh[0] + charger_kwh.sum(axis=1)
        greedy = np.clip(-deficit_kwh / power_kw, -1.0, 1.0)
        return self._as_policy(charger_kwh, bess_entry(np.clip(solution.bess_kwh / power_kw, -1.0, 1.0), greedy))

    def at_once(self) -> PlanPolicy:
        """Return the plan that charges every car at once, up to its need; a battery follows the rule."""
        rule = np.zeros(self._shape[0]) if dispatches_bess(self._year.setting.equipment) else None
        return self._as_policy(earliest_plan(self._fleet, *self._shape), rule)

    def _as_policy(self, charger_kwh: FloatArray, bess: FloatArray | None = None) -> PlanPolicy:
        return PlanPolicy(charger_kwh, self._year.setting.equipment.max_charging_power_kw, bess)

    def _figure(self, objective: str, policy: PlanPolicy) -> float:
        return objective_named(objective).figure(roll_out(policy, self._year), self._year)


def least_co2_plans(years: Years, params: Params, seed: int) -> PolicyPerYear:
    """Return the plans of least CO2, one for each year, as one policy for years side by side."""
    del params, seed
    return _plans(years, "co2")


def least_cost_plans(years: Years, params: Params, seed: int) -> PolicyPerYear:
    """Return the plans of least cost, one for each year, as one policy for years side by side."""
    del params, seed
    return _plans(years, "cost")


def _plans(years: Years, objective: str) -> PolicyPerYear:
    return PolicyPerYear([Optimiser(year).optimum(objective).policy for year in years])
