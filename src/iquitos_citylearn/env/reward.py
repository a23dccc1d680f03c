"""What an agent is paid for: five named terms, one compiled function for training and for reports.

All terms compare the step with a *shadow* of the same year in which no car charges (`env/tables.py`), so that they
hold what the agent caused and nothing else. With the battery on automatic dispatch, a kWh charged from it now is
imported later; `draw` books it at once and gives it back when surplus PV refills the battery instead:

    draw_t = (import_t - shadow import_t) + eta (deficit_t - deficit_{t-1})
    deficit_t = energy in the shadow's battery - energy in the battery, after step t
    eta = one-way efficiency of discharging

The second part is a potential difference (Ng, Harada and Russell, 1999): it moves the payment to the hour of the
decision and its sum over the year is only the deficit left at the end.

======================  ==============================================================================  =======
term                    value at step t, before its weight                                              unit
======================  ==============================================================================  =======
co2                     - carbon intensity_t / its mean x draw_t                                        kWh
solar_self_consumption  shadow export_t - export_t: PV that charging kept from being given away         kWh
cost                    - tariff_t / its mean absolute value x draw_t                                   kWh
ev_satisfaction         - unmet_scale x unmet_t - overdelivery_scale x overdelivered_t                  kWh
grid_stability          - draw_t in the evening-peak hours, else 0                                      kWh
======================  ==============================================================================  =======

`unmet_t` sums, over cars that leave after step t, the energy (site side) between the departure SOC and
min(required SOC, what charging at full power from arrival reaches). `overdelivered_t` is the energy of step t that
went beyond max(required, arrival SOC); this term tells the agent what the right answer is, which is disclosed
wherever results are shown. Every term is linear in imports, exports, battery energy, unmet and overdelivered energy.

The reward is total_scale x sum of weight x term; reports give the weighted and scaled terms, which sum to it. Each
charger's part of it is given too: with 128 cars under one number, an agent can hardly tell which action was good.

References
----------
Ng, Harada, Russell (1999), Policy invariance under reward transformations, ICML.
"""

from typing import NamedTuple

import numpy as np

from iquitos_citylearn.env.kernels import kernel
from iquitos_citylearn.env.physics import Equipment, Years
from iquitos_citylearn.env.tables import Tables
from iquitos_citylearn.params import RewardParams
from iquitos_citylearn.site.model import FloatArray

TERMS = ("co2", "solar_self_consumption", "cost", "ev_satisfaction", "grid_stability")
N_TERMS = len(TERMS)
_EV_SATISFACTION = TERMS.index("ev_satisfaction")


class RewardWeighting(NamedTuple):
    """Weight of each term times the total scale, and the prices inside the EV term."""

    term_scale: FloatArray
    unmet_scale: float
    overdelivery_scale: float


def make_weighting(params: RewardParams) -> RewardWeighting:
    """Return the weighting of the priority mode in force."""
    weights = params.active_weights.model_dump()
    scale = np.array([weights[term] * params.total_scale for term in TERMS], dtype=np.float64)
    return RewardWeighting(scale, float(params.unmet_scale), float(params.overdelivery_scale))


@kernel()
def write_reward_terms(
    out: FloatArray,
    per_charger: FloatArray,
    equipment: Equipment,
    years: Years,
    tables: Tables,
    weighting: RewardWeighting,
    y: int,
    t: int,
    net_kwh: float,
    bess_soc_change: float,
    ev_soc_before: FloatArray,
    ev_soc_after: FloatArray,
) -> float:
    """Write the weighted terms of step t of year y and return their sum, the reward.

    Parameters
    ----------
    out : ndarray of float64, shape (5,)
        Where the terms go, in the order of `TERMS`.
    per_charger : ndarray of float64, shape (n_chargers,)
        Where each charger's part of the reward goes: its own EV term, and of the other terms a share in proportion
        to the energy it charged. What the others hold in a step without charging is no charger's.
    net_kwh : float
        Net consumption of the step [kWh], import positive.
    bess_soc_change : float
        SOC of the stationary battery after the step minus before it.
    ev_soc_before, ev_soc_after : ndarray, shape (n_chargers,)
        SOC of the connected cars before and after the step.
    """
    extra_import = max(net_kwh, 0.0) - tables.shadow_import_kwh[y, t]
    kept_pv = tables.shadow_export_kwh[y, t] - max(-net_kwh, 0.0)
    drained = tables.shadow_bess_soc_change[y, t] - bess_soc_change
    draw = extra_import + tables.bess_discharge_efficiency * tables.bess_capacity_kwh * drained
    ev_satisfaction = 0.0
    charged = 0.0
    per_charger[:] = 0.0
    first, last = years.connected_first[y, t], years.connected_first[y, t + 1]
    for k in range(first, last):
        c, session = years.connected_charger[y, k], years.connected_session[y, k]
        site_kwh_per_soc = equipment.ev_capacity_kwh[c] / equipment.charger_efficiency[c]
        before = ev_soc_before[c]
        after = ev_soc_after[c]
        limit = max(years.session_required_soc[y, session], years.session_arrival_soc[y, session])
        overdelivered = max(after - limit, 0.0) - max(before - limit, 0.0)
        value = -weighting.overdelivery_scale * site_kwh_per_soc * overdelivered
        unmet = weighting.unmet_scale * site_kwh_per_soc * max(tables.target_soc[y, session] - after, 0.0)
        value -= unmet if years.session_departure_step[y, session] == t + 1 else 0.0
        per_charger[c] = value * weighting.term_scale[_EV_SATISFACTION]
        ev_satisfaction += value
        charged += site_kwh_per_soc * (after - before)
    out[0] = -years.carbon_kg_per_kwh[y, t] * tables.carbon_per_mean[y] * draw
    out[1] = kept_pv
    out[2] = -years.price_usd_per_kwh[y, t] * tables.price_per_mean[y] * draw
    out[_EV_SATISFACTION] = ev_satisfaction
    out[4] = -draw * tables.evening[y, t]
    reward = 0.0
    for term in range(N_TERMS):
        out[term] *= weighting.term_scale[term]
        reward += out[term]
    if charged > 0.0:
        shared = (reward - out[_EV_SATISFACTION]) / charged
        for k in range(first, last):
            c = years.connected_charger[y, k]
            site_kwh_per_soc = equipment.ev_capacity_kwh[c] / equipment.charger_efficiency[c]
            per_charger[c] += shared * site_kwh_per_soc * (ev_soc_after[c] - ev_soc_before[c])
    return reward
