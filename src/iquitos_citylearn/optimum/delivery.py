"""What cars can get at all: under an import limit, what the best plan gives them."""

from iquitos_citylearn.env.setting import Setting
from iquitos_citylearn.optimum.fleet import charger_plan, make_fleet, session_kwh
from iquitos_citylearn.optimum.objectives import objective_named
from iquitos_citylearn.optimum.program import Program
from iquitos_citylearn.site.model import FloatArray, Sessions


def feasible_delivery(setting: Setting, sessions: Sessions) -> FloatArray:
    """Return the energy that each car could have had, site side, shape (n_sessions,) [kWh].

    Without an import limit: its need, up to min(required, what full power from arrival reaches). With one: its part in
    the plan that leaves the least energy unmet and then emits the least CO2. Their sum is the most that the grid
    connection lets through; which of several cars goes short is the plan's choice, and another policy's may be as good.

    Parameters
    ----------
    setting : Setting
        With the year as its only one, under any action mapping.
    sessions : Sessions
        Its sessions.

    Raises
    ------
    ValueError
        If a charger, a car or the battery is not linear.
    RuntimeError
        If the solver ends without an optimum.
    """
    fleet = make_fleet(setting, sessions)
    if not fleet.may_fall_short:
        return fleet.need_kwh
    solution = Program(setting, fleet).minimise(objective_named("co2").prices(setting))
    plan = charger_plan(fleet, solution.slot_kwh, *setting.years.session_of.shape[1:])
    return session_kwh(plan, sessions)
