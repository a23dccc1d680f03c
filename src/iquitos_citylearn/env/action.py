"""The meaning of an action: named mappings from the agent's u in [0, 1] to CityLearn's charger action.

With f = min(1, energy still needed / energy of one hour at full power), seen from the site:

=============  ==========================================================================================
mapping        charger action a (share of the rating)
=============  ==========================================================================================
raw            a = u
dead_zones     u <= 0.05: a = 0; u >= 0.95: a = 1; between them a = (u - 0.05) / 0.9
need_limited   a = u f: 1 charges up to the need and never beyond (waiting stays possible, overcharging not)
three_segment  u <= 0.6: a = f u / 0.6; 0.6 < u <= 0.8: a = f; u > 0.8: a = f + (1 - f)(u - 0.8) / 0.2
=============  ==========================================================================================

Agents act on [-1, 1] (what Stable-Baselines3's Gaussian policies expect); u = (action + 1) / 2. A charger without
a car gets 0. `three_segment` gives a fifth of the range to "what the car needs". Waiting (u = 0) and overcharging
(u = 1: full power until full) stay the agent's choice. The mapping helps the learner, and results say so.
`dead_zones` ignores the need. It lets a squashed Gaussian, which never quite reaches its ends, give 0 and full power.

With the battery under the agent there is one more entry v in [-1, 1], the last. It has a mapping of its own to the
battery's share of its power, charging positive:

==============  =========================================================================================
mapping         the battery
==============  =========================================================================================
greedy_offset   clip(greedy + 2 v |v|, -1, 1), greedy being the share that automatic dispatch would take: 0
                leaves the battery to the rule, and every share is within reach
import_target   gives what load and cars lack above an import of G (v + 1) / 2, and charges up to it
level_offset    the same with an import of the careful level (`env/lookahead.py`) + A v |v|
rule_offset     the same with an import of the target of the rule `level` + A v |v|
==============  =========================================================================================

G is the scale of levels (the highest mean of load and cars in an hour of the day), A a quarter of it; imports are 0 at
least. All of this helps the learner, `rule_offset` most. A policy without an entry for the battery gives v = 0.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from iquitos_citylearn.env.kernels import inner_kernel, kernel
from iquitos_citylearn.env.lookahead import Lookahead, careful_level_kw, stored_kwh_of, target_kw
from iquitos_citylearn.env.observation import full_power_hours
from iquitos_citylearn.env.physics import Equipment, YearArrays, charging_kwh
from iquitos_citylearn.site.model import FloatArray, IntArray

MAPPINGS = {"raw": 0, "need_limited": 1, "three_segment": 2, "dead_zones": 3}
GREEDY_OFFSET = "greedy_offset"
BESS_MAPPINGS = {GREEDY_OFFSET: 0, "import_target": 1, "level_offset": 2, "rule_offset": 3}
OFFSET_SHARE = 0.25
"""level_offset, rule_offset: largest change of the import, as a share of the scale of levels."""
DEAD_ZONE = 0.05
"""dead_zones: share of the range at each end."""
NEED_REACHED = 0.6
"""three_segment: from here on the charger gives what the car needs."""
NEED_LEFT = 0.8
"""three_segment: from here on it gives more."""

_NEED_LIMITED = MAPPINGS["need_limited"]
_THREE_SEGMENT = MAPPINGS["three_segment"]
_DEAD_ZONES = MAPPINGS["dead_zones"]
_GREEDY_OFFSET = BESS_MAPPINGS[GREEDY_OFFSET]
_IMPORT_TARGET = BESS_MAPPINGS["import_target"]
_RULE_OFFSET = BESS_MAPPINGS["rule_offset"]


def mapping_code(name: str) -> int:
    """Return the code of a mapping of the chargers' entries.

    Raises
    ------
    ValueError
        For an unknown name; lists the valid ones.
    """
    return _code(MAPPINGS, "action_mapping", name)


def bess_mapping_code(name: str) -> int:
    """Return the code of a mapping of the battery's entry; ValueError as for `mapping_code`."""
    return _code(BESS_MAPPINGS, "bess_mapping", name)


def _code(mappings: Mapping[str, int], field: str, name: str) -> int:
    if name not in mappings:
        raise ValueError(f"{field} is {name!r}; valid are {', '.join(mappings)}")
    return mappings[name]


def complete_actions(actions: NDArray[np.float32] | FloatArray, n_chargers: int, n_actions: int) -> FloatArray:
    """Return actions in float64, with the battery left to the rule where only the chargers' entries are given.

    Parameters
    ----------
    actions : ndarray, shape (n_envs, n_chargers) or (n_envs, n_actions)
        A policy's actions.
    """
    given = np.asarray(actions, dtype=np.float64)
    if n_actions == n_chargers or given.shape[1:] != (n_chargers,):
        return given
    return np.pad(given, ((0, 0), (0, n_actions - n_chargers)))


def bess_entry(share: FloatArray, greedy_share: FloatArray) -> FloatArray:
    """Return the entry v that makes `share` of the battery's power of what the rule would do, both in [-1, 1]."""
    correction = share - greedy_share
    return np.asarray(np.sign(correction) * np.sqrt(np.abs(correction) / 2.0), dtype=np.float64)


def offset_entry(target_kw: FloatArray, level_kw: FloatArray, scale_kw: float) -> FloatArray:
    """Return the entry that gives an import target, or comes nearest, where it offsets a level; shape (batch,)."""
    offset = (target_kw - level_kw) / (OFFSET_SHARE * scale_kw)
    return np.asarray(np.clip(np.sign(offset) * np.sqrt(np.abs(offset)), -1.0, 1.0), dtype=np.float64)


def check_agent_actions(actions: NDArray[np.float32] | FloatArray, n_actions: int, steps: IntArray) -> None:
    """Refuse actions that the compiled step would read past their end or take for waiting.

    Parameters
    ----------
    actions : ndarray, shape (n_envs, n_actions)
        Agents' actions.
    steps : ndarray of int64, shape (n_envs,)
        The step that each environment is at.

    Raises
    ------
    ValueError
        If the shape is wrong.
    FloatingPointError
        If an action is NaN or infinite; names the step.
    """
    if actions.shape != (len(steps), n_actions):
        raise ValueError(f"action has shape {actions.shape}; it must be {(len(steps), n_actions)}")
    finite = np.isfinite(actions)
    if not finite.all():
        raise FloatingPointError(f"action is not finite at step {steps[np.argmin(finite.all(axis=1))]}")


@kernel(inline="always")
def charger_share(mapping: int, u: float, needed_share: float) -> float:
    """Return the charger action for u in [0, 1] and the needed share f in [0, 1]."""
    if mapping == _NEED_LIMITED:
        return u * needed_share
    if mapping == _THREE_SEGMENT:
        below = needed_share * min(1.0, u / NEED_REACHED)
        return below + (1.0 - needed_share) * max(0.0, (u - NEED_LEFT) / (1.0 - NEED_LEFT))
    if mapping == _DEAD_ZONES:
        return min(1.0, max(0.0, (u - DEAD_ZONE) / (1.0 - 2.0 * DEAD_ZONE)))
    return u


@kernel()
def write_charger_actions(
    out: FloatArray,
    equipment: Equipment,
    years: YearArrays,
    mapping: int,
    y: int,
    t: int,
    ev_soc: FloatArray,
    action: NDArray[np.float32] | FloatArray,
) -> None:
    """Write CityLearn's charger actions for an agent's action at step t of year y.

    Parameters
    ----------
    out : ndarray of float64, shape (n_chargers,)
        Where they go, each in [0, 1].
    ev_soc : ndarray, shape (n_chargers,)
        SOC of the connected cars.
    action : ndarray, shape (n_actions,)
        The agent's action, each in [-1, 1]; clipped to it.
    """
    out[:] = 0.0
    for k in range(years.connected_first[y, t], years.connected_first[y, t + 1]):
        c, session = years.connected_charger[y, k], years.connected_session[y, k]
        u = min(1.0, max(0.0, 0.5 * (action[c] + 1.0)))
        gap = years.session_required_soc[y, session] - ev_soc[c]
        hours = full_power_hours(
            gap, equipment.ev_capacity_kwh[c], equipment.charger_efficiency[c], equipment.max_charging_power_kw[c]
        )
        out[c] = min(1.0, charger_share(mapping, u, min(1.0, hours)))


@inner_kernel
def deficit_kwh(
    equipment: Equipment, years: YearArrays, y: int, t: int, ev_soc: FloatArray, charger_action: FloatArray
) -> float:
    """Return load and charging less PV in the hour of step t of year y [kWh].

    Parameters
    ----------
    ev_soc, charger_action : ndarray, shape (n_chargers,)
        SOC of the connected cars, and the chargers' actions as CityLearn takes them.
    """
    consumption = charging_kwh(equipment, years, y, t, ev_soc, charger_action)
    deficit: float = years.load_kwh[y, t] - years.pv_kwh[y, t] + consumption
    return deficit


@inner_kernel
def needs_level(bess_mapping: int) -> bool:
    """Return whether a mapping of the battery's entry offsets a level."""
    return bess_mapping not in (_GREEDY_OFFSET, _IMPORT_TARGET)


@inner_kernel
def level_of(
    lookahead: Lookahead, bess_mapping: int, y: int, t: int, bess_soc: float, peak_kw: float, cars_kw: float
) -> float:
    """Return the import that `level_offset` or `rule_offset` offsets at step t of year y [kW]."""
    stored_kwh = stored_kwh_of(lookahead, bess_soc)
    level: float
    if bess_mapping == _RULE_OFFSET:
        level = target_kw(lookahead, y, t, stored_kwh, peak_kw, cars_kw)
    else:
        level = careful_level_kw(lookahead, y, t, stored_kwh, cars_kw)
    return level


@inner_kernel
def bess_share(
    bess_mapping: int, equipment: Equipment, deficit: float, scale_kw: float, level_kw: float, action: float
) -> float:
    """Return the battery's share of its power, in [-1, 1], for the agent's last entry.

    Parameters
    ----------
    deficit : float
        Load and charging less PV in the hour [kWh].
    scale_kw, level_kw : float
        Scale of levels, and the import that the entry offsets [kW].
    action : float
        The agent's last entry; clipped to [-1, 1].
    """
    v = min(1.0, max(-1.0, action))
    power_kw = equipment.bess[0].nominal_power_kw
    if bess_mapping == _GREEDY_OFFSET:
        greedy: float = min(1.0, max(-1.0, -deficit / power_kw))
        return min(1.0, max(-1.0, greedy + 2.0 * v * abs(v)))
    if bess_mapping == _IMPORT_TARGET:
        target = scale_kw * 0.5 * (v + 1.0)
    else:
        target = max(0.0, level_kw + OFFSET_SHARE * scale_kw * v * abs(v))
    share: float = min(1.0, max(-1.0, (target - deficit) / power_kw))
    return share
