"""The decisions that cars leave open: sessions joined into groups that a linear program can carry, exactly.

A session of L hours with need n and hourly limit u is the set {0 <= x_t <= u, sum x_t = n}. Sessions that share their
hours and the number k = ceil(n / u) of hours that they need at least are joined: with U and N the sums of their u and
n, the sum of their sets is {0 <= X_t <= U, sum X_t = N}. Nothing is lost: each set is the base polytope of the
polymatroid f(A) = min(u |A|, n), the sum of base polytopes is that of the summed functions (Edmonds, 1970), and with
the same k these are sum min(u j, n) = min(U j, N) for each number j of hours. The same holds for the sets with
sum x_t <= n, the polymatroids themselves: those count where an import limit can leave a car without its need.
`charger_plan` divides a group's energy among its sessions again.

References
----------
Edmonds (1970), Submodular functions, matroids, and certain polyhedra, in: Combinatorial Structures and Their
Applications, Gordon and Breach.
"""

from dataclasses import dataclass

import numpy as np

from iquitos_citylearn.env.arrays import Equipment, session_rows
from iquitos_citylearn.env.year import Year
from iquitos_citylearn.site.model import FloatArray, IntArray, Sessions

ROUNDING = 1e-7
"""Difference to a whole number of hours at full power that is float noise (states of charge are float32)."""
RIGID = -1


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """The sessions of a year; energies are on the site's side.

    Attributes
    ----------
    sessions : Sessions
        The sessions.
    need_kwh, limit_kwh : ndarray, shape (n_sessions,)
        Energy to the target, and the most that an hour can give [kWh].
    group : ndarray of int64, shape (n_sessions,)
        Group of the session, or `RIGID` where there is nothing to decide.
    group_arrival_step, group_hours, group_full_hours : ndarray of int64, shape (n_groups,)
        First step, connected hours, and k - 1: hours at full power besides the last, partial one.
    group_need_kwh, group_limit_kwh : ndarray, shape (n_groups,)
        N and U [kWh].
    may_fall_short : bool
        Whether an import limit can leave a car without its need; then only cars without a need are rigid.
    """

    sessions: Sessions
    need_kwh: FloatArray
    limit_kwh: FloatArray
    group: IntArray
    group_arrival_step: IntArray
    group_hours: IntArray
    group_full_hours: IntArray
    group_need_kwh: FloatArray
    group_limit_kwh: FloatArray
    may_fall_short: bool

    @property
    def slot_group(self) -> IntArray:
        """Group of each slot: the hours of group 0, then those of group 1, ...; shape (n_slots,)."""
        return np.repeat(np.arange(len(self.group_hours)), self.group_hours)

    @property
    def slot_start(self) -> IntArray:
        """First slot of each group, shape (n_groups,)."""
        return np.cumsum(self.group_hours) - self.group_hours

    @property
    def slot_step(self) -> IntArray:
        """Step of each slot, shape (n_slots,)."""
        return _counted(self.group_arrival_step, self.group_hours)


def make_fleet(year: Year) -> Fleet:
    """Return the fleet of a year; every session needs what full power from arrival reaches (`tables.target_soc`).

    Raises
    ------
    ValueError
        If a charger has a minimum power or a car's battery is not linear; names the charger.
    """
    setting, sessions = year.setting, year.site.sessions
    _refuse_nonlinear_cars(setting.equipment)
    equipment, charger = setting.equipment, sessions.charger
    row = session_rows(setting.years, 0, sessions)
    root = equipment.ev["flat_root"]
    arrival_soc = np.maximum(setting.years.session_arrival_soc[0, row], equipment.ev["min_soc"][charger])
    missing_soc = np.maximum(setting.tables.target_soc[0, row] - arrival_soc, 0.0)
    kwh_per_soc = equipment.ev_capacity_kwh / (equipment.charger_efficiency * root)
    limits = np.minimum(equipment.max_charging_power_kw, equipment.ev["flat_power_kw"] / equipment.charger_efficiency)
    hours, limit = sessions.departure_step - sessions.arrival_step, limits[charger]
    need = np.minimum(missing_soc * kwh_per_soc[charger], hours * limit)
    needed_hours = np.maximum(np.ceil(need / limit - ROUNDING).astype(np.int64), 1)
    may_fall_short = bool(equipment.import_limited)
    rigid = need == 0.0
    if not may_fall_short:
        rigid |= (hours == 1) | (need >= hours * limit * (1.0 - ROUNDING))
    keys = np.stack([sessions.arrival_step, hours, needed_hours], axis=1)[~rigid]
    kinds, group_of = np.unique(keys, axis=0, return_inverse=True)
    group = np.full(len(sessions), RIGID)
    group[~rigid] = group_of.reshape(-1)
    return Fleet(
        sessions=sessions,
        need_kwh=need,
        limit_kwh=limit,
        group=group,
        group_arrival_step=kinds[:, 0],
        group_hours=kinds[:, 1],
        group_full_hours=kinds[:, 2] - 1,
        group_need_kwh=sum_by(group[~rigid], need[~rigid], len(kinds)),
        group_limit_kwh=sum_by(group[~rigid], limit[~rigid], len(kinds)),
        may_fall_short=may_fall_short,
    )


def rigid_kwh(fleet: Fleet, n_steps: int) -> FloatArray:
    """Return the energy of the sessions that leave nothing to decide, per step, shape (n_steps,)."""
    energy, step, _ = _spread_rigid(fleet)
    return sum_by(step, energy, n_steps)


def sum_by(index: IntArray, values: FloatArray, count: int) -> FloatArray:
    """Return the sum of the values at each index, shape (count,)."""
    return np.asarray(np.bincount(index, values, minlength=count), dtype=np.float64)


def charger_plan(fleet: Fleet, slot_kwh: FloatArray, n_steps: int, n_chargers: int) -> FloatArray:
    """Divide the energy of groups among their sessions.

    With X a group's energies and r = N - (k - 1) U, there are shares 0 <= a_t, 0 <= b_t, a_t + b_t <= 1, sum b_t = 1,
    with X_t = U a_t + r b_t: b_t is proportional to its upper limit min(X_t / r, (U - X_t) / (U - r)). A session then
    gets u a_t + (n - (k - 1) u) b_t, which is within its limit and sums to n. A group that gets less than N is filled
    up to it first, and in each hour its sessions get the filling's counterpart less, in proportion.

    Parameters
    ----------
    slot_kwh : ndarray, shape (n_slots,)
        Energy of each group in each of its hours [kWh].

    Returns
    -------
    ndarray, shape (n_steps, n_chargers)
        Energy of each charger, site side [kWh].
    """
    plan = np.zeros((n_steps, n_chargers))
    sessions = fleet.sessions
    energy, step, rigid = _spread_rigid(fleet)
    plan[step, sessions.charger[rigid]] = energy
    filled_kwh, kept_share = _filled_up(fleet, slot_kwh)
    full_share, last_share = _shares(fleet, filled_kwh)
    flexible = np.flatnonzero(fleet.group != RIGID)
    group = fleet.group[flexible]
    hours = fleet.group_hours[group]
    slot, member = _counted(fleet.slot_start[group], hours), np.repeat(flexible, hours)
    limit = fleet.limit_kwh[member]
    last = fleet.need_kwh[member] - fleet.group_full_hours[fleet.group[member]] * limit
    energy = np.clip(limit * full_share[slot] + last * last_share[slot], 0.0, limit)
    plan[fleet.slot_step[slot], sessions.charger[member]] = energy * kept_share[slot]
    return plan


def session_kwh(plan: FloatArray, sessions: Sessions) -> FloatArray:
    """Return the energy of each session in a plan of shape (n_steps, n_chargers), shape (n_sessions,) [kWh]."""
    until = np.concatenate([np.zeros((1, plan.shape[1])), np.cumsum(plan, axis=0)])
    after, before = (until[step, sessions.charger] for step in (sessions.departure_step, sessions.arrival_step))
    return np.asarray(after - before, dtype=np.float64)


def earliest_plan(fleet: Fleet, n_steps: int, n_chargers: int) -> FloatArray:
    """Return the plan that charges every car at once, up to its target; shape (n_steps, n_chargers) [kWh]."""
    sessions = fleet.sessions
    hours = sessions.departure_step - sessions.arrival_step
    member = np.repeat(np.arange(len(sessions)), hours)
    step = _counted(sessions.arrival_step, hours)
    before = (step - sessions.arrival_step[member]) * fleet.limit_kwh[member]
    plan = np.zeros((n_steps, n_chargers))
    plan[step, sessions.charger[member]] = np.clip(fleet.need_kwh[member] - before, 0.0, fleet.limit_kwh[member])
    return plan


def _spread_rigid(fleet: Fleet) -> tuple[FloatArray, IntArray, IntArray]:
    """Return energy, step and session of each hour of the rigid sessions; evenly spread, since they fill every hour."""
    rigid = np.flatnonzero(fleet.group == RIGID)
    arrival = fleet.sessions.arrival_step[rigid]
    hours = fleet.sessions.departure_step[rigid] - arrival
    return np.repeat(fleet.need_kwh[rigid] / hours, hours), _counted(arrival, hours), np.repeat(rigid, hours)


def _filled_up(fleet: Fleet, slot_kwh: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return energies that meet the groups' needs, and the share of them that was there before."""
    if not fleet.may_fall_short:
        return slot_kwh, np.ones_like(slot_kwh)
    group = fleet.slot_group
    limit = fleet.group_limit_kwh[group]
    energy = np.clip(slot_kwh, 0.0, limit)
    total = sum_by(group, energy, len(fleet.group_hours))
    room = fleet.group_hours * fleet.group_limit_kwh - total
    lacking = np.maximum(fleet.group_need_kwh - total, 0.0)
    share = np.divide(lacking, room, out=np.zeros_like(room), where=room > 0.0)
    filled = energy + (limit - energy) * np.minimum(share, 1.0)[group]
    return filled, np.divide(energy, filled, out=np.zeros_like(filled), where=filled > 0.0)


def _shares(fleet: Fleet, slot_kwh: FloatArray) -> tuple[FloatArray, FloatArray]:
    group = fleet.slot_group
    n_groups = len(fleet.group_hours)
    limit = fleet.group_limit_kwh[group]
    last = (fleet.group_need_kwh - fleet.group_full_hours * fleet.group_limit_kwh)[group]
    energy = np.clip(slot_kwh, 0.0, limit)
    room = np.divide(limit - energy, limit - last, out=np.full_like(limit, np.inf), where=last < limit)
    most = np.minimum(energy / last, room)
    total = sum_by(group, most, n_groups)[group]
    even = 1.0 / fleet.group_hours[group]  # the solver's tolerance can hide a remainder as small as itself
    last_share = np.divide(most, total, out=even, where=total > 0.0)
    full = np.maximum(energy - last * last_share, 0.0)
    total = sum_by(group, full, n_groups)[group]
    scale = np.divide(fleet.group_full_hours[group], total, out=np.zeros_like(total), where=total > 0.0)
    return full * scale, last_share


def _counted(first: IntArray, count: IntArray) -> IntArray:
    """Return first[0], first[0] + 1, ... (count[0] of them), then those of first[1], ..."""
    within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return np.asarray(np.repeat(first, count) + within, dtype=np.int64)


def _refuse_nonlinear_cars(equipment: Equipment) -> None:
    ev = equipment.ev
    reasons = {
        "has a minimum power": equipment.min_charging_power_kw > 0.0,
        "has a car whose battery has curves that are not flat": ~ev["is_flat"],
        "has a car whose battery loses charge while it rests": ev["retention"] < 1.0,
        "has a car whose battery fades": ev["fade_kwh"] > 0.0,
    }
    for reason, wrong in reasons.items():
        if wrong.any():
            raise ValueError(f"charger {int(np.argmax(wrong)) + 1} {reason}: no linear program is exact for it")
