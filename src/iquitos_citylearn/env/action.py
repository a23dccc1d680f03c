"""What an action means before it reaches the charger: named mappings from u in [0, 1] to CityLearn's charger action.

With f = min(1, energy still needed / energy of one hour at full power), seen from the site:

=============  ==========================================================================================
mapping        charger action a (share of the rating)
=============  ==========================================================================================
raw            a = u
need_limited   a = u f: 1 charges up to the need and never beyond (waiting stays possible, overcharging not)
three_segment  u <= 0.6: a = f u / 0.6; 0.6 < u <= 0.8: a = f; u > 0.8: a = f + (1 - f)(u - 0.8) / 0.2
=============  ==========================================================================================

Agents act on [-1, 1] (what Stable-Baselines3's Gaussian policies expect); u = (action + 1) / 2. A charger without
a car gets 0. `three_segment` gives a third of the range to "what the car needs" and keeps waiting (u = 0) and
overcharging (u = 1: full power until full) the agent's choice: it is a help to the learner, and named as such.
"""

import numpy as np
from numpy.typing import NDArray

from iquitos_citylearn.env.kernels import kernel
from iquitos_citylearn.env.observation import full_power_hours
from iquitos_citylearn.env.physics import Equipment, Years
from iquitos_citylearn.site.model import FloatArray, IntArray

MAPPINGS = {"raw": 0, "need_limited": 1, "three_segment": 2}
NEED_REACHED = 0.6
"""three_segment: from here on the charger gives what the car needs."""
NEED_LEFT = 0.8
"""three_segment: from here on it gives more."""

_NEED_LIMITED = MAPPINGS["need_limited"]
_THREE_SEGMENT = MAPPINGS["three_segment"]


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


def check_agent_actions(actions: NDArray[np.float32] | FloatArray, n_chargers: int, steps: IntArray) -> None:
    """Refuse actions that the compiled step would read past their end or take for waiting.

    Parameters
    ----------
    actions : ndarray, shape (n_envs, n_chargers)
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
    if actions.shape != (len(steps), n_chargers):
        raise ValueError(f"action has shape {actions.shape}; it must be {(len(steps), n_chargers)}")
    finite = np.isfinite(actions)
    if not finite.all():
        raise FloatingPointError(f"action is not finite at step {steps[np.argmin(finite.all(axis=1))]}")


@kernel(inline="always")
def charger_share(mapping: int, u: float, needed_share: float) -> float:
    """Return the charger action for u in [0, 1] and the needed share f in [0, 1]."""
    if mapping == _NEED_LIMITED:
        return u * needed_share
    if mapping == _THREE_SEGMENT:
        if u <= NEED_REACHED:
            return needed_share * u / NEED_REACHED
        if u <= NEED_LEFT:
            return needed_share
        return needed_share + (1.0 - needed_share) * (u - NEED_LEFT) / (1.0 - NEED_LEFT)
    return u


@kernel()
def write_charger_actions(
    out: FloatArray,
    equipment: Equipment,
    years: Years,
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
    action : ndarray, shape (n_chargers,)
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
