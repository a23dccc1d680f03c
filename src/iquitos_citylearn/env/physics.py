"""The twin's kernels: one hour of a site, compiled, for any number of environments over any number of years.

Bit-exact with CityLearn 3.0.2 (`env/citylearn.py` runs the same site there). Nothing is allocated in a kernel. The
order within step t is CityLearn's: chargers, then the stationary battery, then the net consumption
(`apply_actions_env`); then standing losses and arrivals of step t + 1 (`advance_env`).

Kernels take the arrays out of their tuples once and hand functions numbers and records: handing on a tuple for each
charger takes several times as long as the physics. What depends on a single car is, here and in the reward and the
observation, a minimum, a maximum or a choice between two values at hand, which compile to no branch: one that the
processor guesses wrongly costs as much as what it skips.
"""

from iquitos_citylearn.env.arrays import Equipment, State, YearArrays, make_equipment, make_state, make_years
from iquitos_citylearn.env.battery import charge_battery, compiled, idle_battery, rest_battery, to_single
from iquitos_citylearn.env.grid import cut_action, cut_bess_action, remaining_share, requested_kw
from iquitos_citylearn.env.kernels import inner_kernel
from iquitos_citylearn.site.model import FloatArray

__all__ = [
    "Equipment",
    "State",
    "YearArrays",
    "advance_env",
    "apply_actions_env",
    "charging_kwh",
    "dispatches_bess",
    "make_equipment",
    "make_state",
    "make_years",
    "reset_env",
    "start_env",
    "step_env",
]


@compiled
def start_env(
    equipment: Equipment, years: YearArrays, state: State, e: int, year: int, step: int, bess_soc: float
) -> None:
    """Put environment e before the action of a step; cars connected then are taken to arrive in it."""
    state.year[e] = year
    state.time_step[e] = step
    state.net_kwh[e] = 0.0
    state.bess_kwh[e] = 0.0
    state.bess_soc[e] = bess_soc if equipment.bess_present else 0.0
    state.bess_capacity_kwh[e] = equipment.bess[0].capacity_kwh
    for c in range(state.ev_soc.shape[1]):
        session = years.session_of[year, step, c]
        state.ev_soc[e, c] = years.session_arrival_soc[year, session] if session >= 0 else 0.0
        state.ev_capacity_kwh[e, c] = equipment.ev[c].capacity_kwh
        state.charger_kwh[e, c] = 0.0


@compiled
def reset_env(equipment: Equipment, years: YearArrays, state: State, e: int, year: int) -> None:
    """Put environment e before the first action of a year."""
    start_env(equipment, years, state, e, year, 0, equipment.bess[0].initial_soc)


@inner_kernel
def _requested_kwh(action: float, rating_kw: float, min_power_kw: float, efficiency: float) -> float:
    """Return what a charger asks its car to take in an hour [kWh]; CityLearn divides by the rating and back."""
    return requested_kw(action, rating_kw, min_power_kw) / rating_kw * rating_kw * efficiency


@inner_kernel
def _share_within_limit(
    equipment: Equipment, years: YearArrays, year: int, step: int, charger_action: FloatArray, bess_action: float
) -> float:
    """Return the share of the requests that the import limit leaves (`env/grid.py`)."""
    bess_request_kw = 0.0
    if equipment.bess_present:
        bess_request_kw = min(max(bess_action, -1.0), 1.0) * equipment.bess[0].nominal_power_kw
    return remaining_share(
        equipment.import_limit_kw,
        years.load_kwh[year, step] - years.pv_kwh[year, step],
        charger_action,
        equipment.max_charging_power_kw,
        equipment.min_charging_power_kw,
        bess_request_kw,
    )


@inner_kernel
def _run_bess(equipment: Equipment, state: State, e: int, action: float, deficit_kwh: float) -> float:
    """Dispatch the stationary battery and return its energy, charging positive [kWh].

    On automatic dispatch it takes the surplus and covers the deficit. CityLearn calls its inactive storage with a
    request of 0 first; so does this.
    """
    power = equipment.bess[0].nominal_power_kw
    soc = state.bess_soc[e]
    share = action
    if equipment.bess_automatic:
        soc = idle_battery(equipment.bess[0], soc)
        share = -deficit_kwh / power
    request = min(max(share, -1.0), 1.0) * power
    soc, capacity, balance = charge_battery(equipment.bess[0], soc, state.bess_capacity_kwh[e], request)
    state.bess_soc[e] = soc
    state.bess_capacity_kwh[e] = capacity
    return balance


@compiled
def apply_actions_env(
    equipment: Equipment, years: YearArrays, state: State, e: int, charger_action: FloatArray, bess_action: float
) -> None:
    """Perform the step of environment e without moving on: outputs of the step, SOCs after the action.

    Parameters
    ----------
    charger_action : ndarray, shape (n_chargers,)
        Share of each charger's rating, clipped to 0 to 1; without effect where no car is connected.
    bess_action : float
        Share of the stationary battery's power, clipped to -1 to 1; without effect on automatic dispatch.
    """
    year, step = state.year[e], state.time_step[e]
    ev, efficiency, rating_kw = equipment.ev, equipment.charger_efficiency, equipment.max_charging_power_kw
    min_power_kw = equipment.min_charging_power_kw
    ev_soc, ev_capacity, charger_kwh = state.ev_soc, state.ev_capacity_kwh, state.charger_kwh
    limited, share = equipment.import_limited, 1.0
    if limited:
        share = _share_within_limit(equipment, years, year, step, charger_action, bess_action)
        bess_action = cut_bess_action(bess_action, share, equipment.bess[0].nominal_power_kw)
    total = 0.0
    charger_kwh[e, :] = 0.0
    for k in range(years.connected_first[year, step], years.connected_first[year, step + 1]):
        c = years.connected_charger[year, k]
        action = charger_action[c]
        if limited:
            action = cut_action(action, share, rating_kw[c], min_power_kw[c])
        request = _requested_kwh(action, rating_kw[c], min_power_kw[c], efficiency[c])
        if request == 0.0:
            ev_soc[e, c] = idle_battery(ev[c], ev_soc[e, c])
            continue
        soc, capacity, balance = charge_battery(ev[c], ev_soc[e, c], ev_capacity[e, c], request)
        ev_soc[e, c] = soc
        ev_capacity[e, c] = capacity
        charger_kwh[e, c] = to_single(balance / efficiency[c])
        total += charger_kwh[e, c]
    load, pv = years.load_kwh[year, step], years.pv_kwh[year, step]
    bess = 0.0
    if equipment.bess_present:
        bess = _run_bess(equipment, state, e, bess_action, load - pv + total)
    state.bess_kwh[e] = bess
    state.net_kwh[e] = to_single(to_single(to_single(load + bess) - pv) + to_single(total))


@compiled
def advance_env(equipment: Equipment, years: YearArrays, state: State, e: int) -> None:
    """Move environment e on to the next step: standing losses, departures, arrivals.

    After the last step of the year only `time_step` moves and the cars leave.
    """
    year, step = state.year[e], state.time_step[e] + 1
    state.time_step[e] = step
    ev, ev_soc = equipment.ev, state.ev_soc
    if step >= years.load_kwh.shape[1]:
        ev_soc[e, :] = 0.0
        return
    if equipment.bess_present:
        state.bess_soc[e] = rest_battery(equipment.bess[0], state.bess_soc[e])
    first, charger, session_of = years.connected_first, years.connected_charger, years.connected_session
    for k in range(first[year, step - 1], first[year, step]):
        c = charger[year, k]
        soc = ev_soc[e, c]
        ev_soc[e, c] = 0.0 if years.session_departure_step[year, session_of[year, k]] == step else soc
    for k in range(first[year, step], first[year, step + 1]):
        c, session = charger[year, k], session_of[year, k]
        arrival_soc, rested_soc = years.session_arrival_soc[year, session], rest_battery(ev[c], ev_soc[e, c])
        ev_soc[e, c] = arrival_soc if years.session_arrival_step[year, session] == step else rested_soc


@compiled
def step_env(
    equipment: Equipment, years: YearArrays, state: State, e: int, charger_action: FloatArray, bess_action: float
) -> None:
    """Perform the step of environment e and move on to the next (`apply_actions_env`, `advance_env`)."""
    apply_actions_env(equipment, years, state, e, charger_action, bess_action)
    advance_env(equipment, years, state, e)


@compiled
def dispatches_bess(equipment: Equipment) -> bool:
    """Return whether an agent dispatches the stationary battery, by one more action."""
    return equipment.bess_present and not equipment.bess_automatic


@inner_kernel
def charging_kwh(
    equipment: Equipment, years: YearArrays, year: int, step: int, ev_soc: FloatArray, charger_action: FloatArray
) -> float:
    """Return what the chargers will consume in a step of a year, by the cars' SOC before it [kWh].

    As in `apply_actions_env`, but nothing changes; fade of the cars' batteries is not considered.
    """
    efficiency, rating_kw = equipment.charger_efficiency, equipment.max_charging_power_kw
    total = 0.0
    for c in range(ev_soc.shape[0]):
        if years.session_of[year, step, c] < 0:
            continue
        request = _requested_kwh(charger_action[c], rating_kw[c], equipment.min_charging_power_kw[c], efficiency[c])
        if request > 0.0:
            _, _, balance = charge_battery(equipment.ev[c], ev_soc[c], equipment.ev_capacity_kwh[c], request)
            total += to_single(balance / efficiency[c])
    return total
