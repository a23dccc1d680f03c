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

With the battery under the agent there is one more entry v in [-1, 1], the last. The battery gets the share
clip(greedy + 2 v |v|, -1, 1) of its power, charging positive, where greedy is the share that automatic dispatch would
take in this hour. So 0 leaves the battery to the rule, small entries correct it a little, and every share is within
reach. This helps the learner too. A policy that gives no such entry leaves the battery to the rule.
"""

import numpy as np
from numpy.typing import NDArray

from iquitos_citylearn.env.kernels import inner_kernel, kernel
from iquitos_citylearn.env.observation import full_power_hours
from iquitos_citylearn.env.physics import Equipment, YearArrays, charging_kwh
from iquitos_citylearn.site.model import FloatArray, IntArray

MAPPINGS = {"raw": 0, "need_limited": 1, "three_segment": 2, "dead_zones": 3}
DEAD_ZONE = 0.05
"""dead_zones: share of the range at each end."""
NEED_REACHED = 0.6
"""three_segment: from here on the charger gives what the car needs."""
NEED_LEFT = 0.8
"""three_segment: from here on it gives more."""

_NEED_LIMITED = MAPPINGS["need_limited"]
_THREE_SEGMENT = MAPPINGS["three_segment"]
_DEAD_ZONES = MAPPINGS["dead_zones"]


def mapping_code(name: str) -> int:
    """Return the code of a mapping.

    Raises
    ------
    ValueError
        For an unknown name; lists the valid ones.
    """
    if name not in MAPPINGS:
        raise ValueError(f"action_mapping is {name!r}; valid are {', '.join(MAPPINGS)}")
    return MAPPINGS[name]


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
def bess_share(
    equipment: Equipment,
    years: YearArrays,
    y: int,
    t: int,
    ev_soc: FloatArray,
    charger_action: FloatArray,
    action: float,
) -> float:
    """Return the battery's share of its power, in [-1, 1], for the agent's last entry at step t of year y.

    Parameters
    ----------
    ev_soc, charger_action : ndarray, shape (n_chargers,)
        SOC of the connected cars, and the chargers' actions as CityLearn takes them: the rule follows what they use.
    action : float
        The agent's last entry; clipped to [-1, 1].
    """
    v = min(1.0, max(-1.0, action))
    consumption = charging_kwh(equipment, years, y, t, ev_soc, charger_action)
    deficit_kwh = years.load_kwh[y, t] - years.pv_kwh[y, t] + consumption
    greedy: float = min(1.0, max(-1.0, -deficit_kwh / equipment.bess[0].nominal_power_kw))
    return min(1.0, max(-1.0, greedy + 2.0 * v * abs(v)))
