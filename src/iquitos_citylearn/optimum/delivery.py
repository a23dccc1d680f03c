"""Energy that cars can get at all: under an import limit, the energy that the best plan gives them."""

from dataclasses import replace

from iquitos_citylearn.env.year import Year
from iquitos_citylearn.optimum.fleet import charger_plan, make_fleet, session_kwh
from iquitos_citylearn.optimum.objectives import objective_named
from iquitos_citylearn.optimum.program import Program
from iquitos_citylearn.site.model import FloatArray


def with_feasible_targets(year: Year) -> Year:
    """Return a year whose targets no import limit puts out of reach (`feasible_delivery`); without a limit the same."""
    equipment, sessions = year.setting.equipment, year.site.sessions
    if not equipment.import_limited:
        return year
    soc_per_kwh = (equipment.charger_efficiency / equipment.ev_capacity_kwh)[sessions.charger]
    return replace(year, target_soc=sessions.arrival_soc + feasible_delivery(year) * soc_per_kwh)


def feasible_delivery(year: Year) -> FloatArray:
    """Return the energy that each car could have had, site side, shape (n_sessions,) [kWh].

    Without an import limit: its need, up to min(required, what full power from arrival reaches). With one: its part in
    the plan that leaves the least energy unmet and then emits the least CO2. Their sum is the most that the grid
    connection lets through; which of several cars goes short is the plan's choice, and another policy's may be as good.

    Parameters
    ----------
    year : Year
        The year, under any action mapping.

    Raises
    ------
    ValueError
        If a charger, a car or the battery is not linear.
    RuntimeError
        If the solver ends without an optimum.
    """
    fleet = make_fleet(year)
    if not fleet.may_fall_short:
        return fleet.need_kwh
    solution = Program(year, fleet).minimise(objective_named("co2").prices(year))
    plan = charger_plan(fleet, solution.slot_kwh, year.site.n_steps, year.site.n_chargers)
    return session_kwh(plan, year.site.sessions)
