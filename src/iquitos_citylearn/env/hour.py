"""One hour of the environment around a simulator of the site.

    write_simulator_actions -> the simulator's hour -> write_reward -> observe

`env/batch.py` runs these kernels around the twin's in one compiled call, `env/gym.py` around any simulator. They are
inlined, since a function of its own for each would lengthen the compilation of the batch.
"""

import numpy as np
from numpy.typing import NDArray

from iquitos_citylearn.env.action import bess_share, deficit_kwh, level_of, needs_level, write_charger_actions
from iquitos_citylearn.env.kernels import kernel
from iquitos_citylearn.env.observation import needed_kw, write_observation
from iquitos_citylearn.env.physics import dispatches_bess
from iquitos_citylearn.env.reward import write_reward_terms
from iquitos_citylearn.env.setting import Setting
from iquitos_citylearn.env.settlement import next_peak_kw, settle
from iquitos_citylearn.site.model import FloatArray


@kernel(inline="always")
def write_simulator_actions(
    charger_action: FloatArray,
    setting: Setting,
    y: int,
    t: int,
    ev_soc: FloatArray,
    bess_soc: float,
    peak_kw: float,
    action: NDArray[np.float32] | FloatArray,
) -> float:
    """Translate an agent's action at step t of year y; write the chargers' part and return the battery's.

    Parameters
    ----------
    charger_action : ndarray of float64, shape (n_chargers,)
        Where the chargers' shares of their ratings go, each in [0, 1].
    ev_soc : ndarray, shape (n_chargers,)
        SOC of the connected cars.
    bess_soc, peak_kw : float
        SOC of the stationary battery, and highest import of the month before the step [kW].
    action : ndarray, shape (n_actions,)
        The agent's action, each entry in [-1, 1].

    Returns
    -------
    float
        Share of the battery's power, in [-1, 1]; 0 where no agent dispatches it.
    """
    equipment, years = setting.equipment, setting.years
    write_charger_actions(charger_action, equipment, years, setting.mapping, y, t, ev_soc, action)
    if not dispatches_bess(equipment):
        return 0.0
    entry = action[charger_action.shape[0]]
    deficit = deficit_kwh(equipment, years, y, t, ev_soc, charger_action)
    target = 0.0
    if needs_level(setting.bess_mapping):
        needed = needed_kw(equipment, years, y, t, ev_soc)
        target = level_of(setting.lookahead, setting.bess_mapping, y, t, bess_soc, peak_kw, needed)
    share: float = bess_share(setting.bess_mapping, equipment, deficit, setting.lookahead.scale_kw, target, entry)
    return share


@kernel(inline="always")
def write_reward(
    terms: FloatArray,
    parts: FloatArray,
    setting: Setting,
    y: int,
    t: int,
    net_kwh: float,
    bess_soc_before: float,
    bess_soc_after: float,
    peak_kw: float,
    ev_soc_before: FloatArray,
    ev_soc_after: FloatArray,
) -> tuple[float, float]:
    """Write the reward of step t of year y by term and by charger; settle the month's peak.

    Parameters
    ----------
    terms : ndarray of float64, shape (5,)
        Where the weighted terms go, in the order of `reward.TERMS`.
    parts : ndarray of float64, shape (n_actions,)
        Where each charger's part of the reward goes, and the battery's after them.
    net_kwh : float
        Net consumption of the step [kWh], import positive.
    bess_soc_before, bess_soc_after : float
        SOC of the stationary battery before and after the step.
    peak_kw : float
        Highest import of the month before the step [kW].
    ev_soc_before, ev_soc_after : ndarray, shape (n_chargers,)
        SOC of the connected cars before and after the step.

    Returns
    -------
    float
        The reward.
    float
        Highest import of the month before the next step [kW]; unchanged where no peak is settled.
    """
    equipment, years, tables, weighting = setting.equipment, setting.years, setting.tables, setting.weighting
    change = bess_soc_after - bess_soc_before
    reward = write_reward_terms(
        terms, parts, equipment, years, tables, weighting, y, t, net_kwh, change, ev_soc_before, ev_soc_after
    )
    if not tables.settles_month_peak:
        return reward, peak_kw
    reward = settle(
        terms,
        parts,
        equipment,
        years,
        tables,
        weighting,
        y,
        t,
        net_kwh,
        bess_soc_before,
        change,
        peak_kw,
        ev_soc_before,
        ev_soc_after,
    )
    return reward, next_peak_kw(tables, y, t, peak_kw, net_kwh)


@kernel(inline="always")
def observe(
    out: NDArray[np.float32], setting: Setting, y: int, t: int, ev_soc: FloatArray, bess_soc: float, peak_kw: float
) -> None:
    """Write the observation before the action of step t of year y (`observation.write_observation`)."""
    write_observation(
        out,
        setting.equipment,
        setting.years,
        setting.tables,
        setting.lookahead,
        setting.horizons,
        y,
        t,
        ev_soc,
        bess_soc,
        peak_kw,
    )
