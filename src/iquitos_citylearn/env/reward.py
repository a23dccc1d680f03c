"""The reward: five named terms, computed by one compiled function for training and for reports.

All terms compare the step with a *shadow*: the same year in which no car charges (`env/tables.py`). So they hold only
what the agent caused. With the battery on automatic dispatch, a kWh that a car takes from it now is imported later;
`draw` books that import at once, and cancels it where surplus PV refills the battery instead:

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
went beyond max(required, arrival SOC). This term tells the agent the right answer; results disclose it. Every term is
linear in imports, exports, battery energy, unmet and overdelivered energy.

The reward is total_scale x sum of weight x term; reports give the weighted and scaled terms, which sum to it. Each
charger also gets its own part of the reward: from one number for 128 cars an agent can hardly tell which action was
good.

References
----------
Ng, Harada, Russell (1999), Policy invariance under reward transformations, ICML.
"""

from typing import NamedTuple

import numpy as np

from iquitos_citylearn.env.kernels import inner_kernel
from iquitos_citylearn.env.physics import Equipment, YearArrays
from iquitos_citylearn.env.tables import Tables
from iquitos_citylearn.params import RewardParams
from iquitos_citylearn.site.model import FloatArray

TERMS = ("co2", "solar_self_consumption", "cost", "ev_satisfaction", "grid_stability")
N_TERMS = len(TERMS)
# The position of each term in an array of terms.
CO2 = TERMS.index("co2")
SOLAR_SELF_CONSUMPTION = TERMS.index("solar_self_consumption")
COST = TERMS.index("cost")
EV_SATISFACTION = TERMS.index("ev_satisfaction")
GRID_STABILITY = TERMS.index("grid_stability")


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


@inner_kernel
def write_reward_terms(
    out: FloatArray,
    per_charger: FloatArray,
    equipment: Equipment,
    years: YearArrays,
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
        Where each charger's part of the reward goes: its own EV term, and a share of the other terms in proportion
        to the energy it charged. In a step without charging, no charger gets a share of the other terms.
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
        per_charger[c] = value * weighting.term_scale[EV_SATISFACTION]
        ev_satisfaction += value
        charged += site_kwh_per_soc * (after - before)
    out[CO2] = -years.carbon_kg_per_kwh[y, t] * tables.carbon_per_mean[y] * draw
    out[SOLAR_SELF_CONSUMPTION] = kept_pv
    out[COST] = -years.price_usd_per_kwh[y, t] * tables.price_per_mean[y] * draw
    out[EV_SATISFACTION] = ev_satisfaction
    out[GRID_STABILITY] = -draw * tables.evening[y, t]
    reward = 0.0
    for term in range(N_TERMS):
        out[term] *= weighting.term_scale[term]
        reward += out[term]
    if charged > 0.0:
        shared = (reward - out[EV_SATISFACTION]) / charged
        for k in range(first, last):
            c = years.connected_charger[y, k]
            site_kwh_per_soc = equipment.ev_capacity_kwh[c] / equipment.charger_efficiency[c]
            per_charger[c] += shared * site_kwh_per_soc * (ev_soc_after[c] - ev_soc_before[c])
    return reward
