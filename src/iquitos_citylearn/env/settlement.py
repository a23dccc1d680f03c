"""The reward under a demand charge, or with the battery under the agent.

A demand charge is paid on the highest hourly import of each calendar month. The cost term books it when it arises: an
hour that lifts the month's highest import so far costs charge x rise. The rises of a month sum to its highest import
(a potential difference: Ng, Harada and Russell, 1999), so the year's sum is the true charge. The month's peak so far is
then part of the state and of the observation.

With the battery under the agent, the shadow's battery follows the rule of automatic dispatch. Stored energy has one
price all year (1, against the mean tariff and intensity), so the year's sum is the energy really imported:

======================  ==================================================================================  =======
term                    value at step t, before its weight                                                  unit
======================  ==================================================================================  =======
co2                     - carbon intensity_t / its mean x extra_t - drawn_t                                 kWh
solar_self_consumption  shadow export_t - export_t                                                          kWh
cost                    - tariff_t / its mean x extra_t - drawn_t - charge / mean tariff x extra rise_t     kWh
ev_satisfaction         as in `env/reward.py`                                                               kWh
grid_stability          - extra_t in the evening-peak hours, else 0                                         kWh
======================  ==================================================================================  =======

extra_t = import_t - shadow import_t; drawn_t = eta (deficit_t - deficit_{t-1}) as in `env/reward.py`; extra rise_t =
rise_t - shadow rise_t. With the battery on automatic dispatch, a demand charge changes the cost term alone.

The reward of the hour, less the EV term, is split into two parts:

- the cars' part: what their energy changes in an hour in which the battery follows the rule, and the rise of the peak
  that their energy causes. Each charger gets a share in proportion to the energy it charged.
- the battery's part: the rest. It is divided by the number of chargers, which makes it as large as a charger's part.
"""

from iquitos_citylearn.env.arrays import Equipment, YearArrays
from iquitos_citylearn.env.battery import charge_battery
from iquitos_citylearn.env.kernels import inner_kernel, kernel
from iquitos_citylearn.env.reward import (
    CO2,
    COST,
    EV_SATISFACTION,
    GRID_STABILITY,
    SOLAR_SELF_CONSUMPTION,
    RewardWeighting,
)
from iquitos_citylearn.env.tables import Tables
from iquitos_citylearn.site.model import FloatArray


@inner_kernel
def settle(
    out: FloatArray,
    parts: FloatArray,
    equipment: Equipment,
    years: YearArrays,
    tables: Tables,
    weighting: RewardWeighting,
    y: int,
    t: int,
    net_kwh: float,
    bess_soc: float,
    bess_soc_change: float,
    peak_kw: float,
    ev_soc_before: FloatArray,
    ev_soc_after: FloatArray,
) -> float:
    """Add the demand charge and the battery's decisions to the terms of step t of year y; return the reward.

    Parameters
    ----------
    out : ndarray of float64, shape (5,)
        The weighted terms as `write_reward_terms` has left them; changed in place.
    parts : ndarray of float64, shape (n_actions,)
        Each charger's part of the reward, then the battery's; changed in place.
    net_kwh : float
        Net consumption of the step [kWh], import positive.
    bess_soc, bess_soc_change : float
        SOC of the stationary battery before the step, and its change in the step.
    peak_kw : float
        Highest import of the month before the step [kW].
    ev_soc_before, ev_soc_after : ndarray, shape (n_chargers,)
        SOC of the connected cars before and after the step.
    """
    n_chargers = ev_soc_before.shape[0]
    scale = weighting.term_scale
    charged = 0.0
    for c in range(n_chargers):
        if years.session_of[y, t, c] >= 0:
            charged += _charged_kwh(equipment, c, ev_soc_before[c], ev_soc_after[c])
    shared_before = out.sum() - out[EV_SATISFACTION]
    rise_price = scale[COST] * tables.demand_per_mean_price[y]
    cars = -rise_price * (_rise(net_kwh, peak_kw) - _rise(net_kwh - charged, peak_kw))
    if equipment.bess_automatic:
        cars += shared_before
    else:
        _write_import_terms(out, years, tables, scale, y, t, net_kwh, bess_soc_change)
        cars += _cost_of_cars(equipment, years, tables, scale, y, t, bess_soc, charged)
    out[COST] -= rise_price * (_rise(net_kwh, peak_kw) - tables.shadow_peak_rise_kw[y, t])
    reward: float = out.sum()
    if charged > 0.0:
        for c in range(n_chargers):
            if years.session_of[y, t, c] >= 0:
                share = _charged_kwh(equipment, c, ev_soc_before[c], ev_soc_after[c]) / charged
                parts[c] += (cars - shared_before) * share
    if parts.shape[0] > n_chargers:
        parts[n_chargers] = (reward - out[EV_SATISFACTION] - cars) / n_chargers
    return reward


@kernel(inline="always")
def _charged_kwh(equipment: Equipment, c: int, soc_before: float, soc_after: float) -> float:
    energy: float = equipment.ev_capacity_kwh[c] / equipment.charger_efficiency[c] * (soc_after - soc_before)
    return energy


@kernel(inline="always")
def _rise(net_kwh: float, peak_kw: float) -> float:
    return max(net_kwh - peak_kw, 0.0)


@inner_kernel
def _write_import_terms(
    out: FloatArray,
    years: YearArrays,
    tables: Tables,
    scale: FloatArray,
    y: int,
    t: int,
    net_kwh: float,
    bess_soc_change: float,
) -> None:
    extra = max(net_kwh, 0.0) - tables.shadow_import_kwh[y, t]
    drained = tables.shadow_bess_soc_change[y, t] - bess_soc_change
    drawn = tables.bess_discharge_efficiency * tables.bess_capacity_kwh * drained
    out[CO2] = -scale[CO2] * (years.carbon_kg_per_kwh[y, t] * tables.carbon_per_mean[y] * extra + drawn)
    out[COST] = -scale[COST] * (years.price_usd_per_kwh[y, t] * tables.price_per_mean[y] * extra + drawn)
    out[GRID_STABILITY] = -scale[GRID_STABILITY] * tables.evening[y, t] * extra


@inner_kernel
def _cost_of_cars(
    equipment: Equipment,
    years: YearArrays,
    tables: Tables,
    scale: FloatArray,
    y: int,
    t: int,
    bess_soc: float,
    charged_kwh: float,
) -> float:
    """Return the change of the hour's terms by the cars' energy, the battery following the rule; 0 or less."""
    import_price = (
        scale[CO2] * years.carbon_kg_per_kwh[y, t] * tables.carbon_per_mean[y]
        + scale[COST] * years.price_usd_per_kwh[y, t] * tables.price_per_mean[y]
        + scale[GRID_STABILITY] * tables.evening[y, t]
    )
    stored_price = (scale[CO2] + scale[COST]) * tables.bess_discharge_efficiency * tables.bess_capacity_kwh
    export_price = scale[SOLAR_SELF_CONSUMPTION]
    load_kwh = years.load_kwh[y, t] - years.pv_kwh[y, t]
    with_cars = _worth_by_rule(equipment, bess_soc, load_kwh + charged_kwh, import_price, export_price, stored_price)
    without = _worth_by_rule(equipment, bess_soc, load_kwh, import_price, export_price, stored_price)
    return with_cars - without


@inner_kernel
def _worth_by_rule(
    equipment: Equipment,
    bess_soc: float,
    deficit_kwh: float,
    import_price: float,
    export_price: float,
    stored_price: float,
) -> float:
    """Return the worth of an hour in which the battery takes the surplus and covers the deficit."""
    battery = equipment.bess[0]
    power_kw = battery.nominal_power_kw
    request = min(max(-deficit_kwh, -power_kw), power_kw)
    after, _, balance = charge_battery(battery, bess_soc, battery.capacity_kwh, request)
    net = deficit_kwh + balance
    worth: float = stored_price * (after - bess_soc) - import_price * max(net, 0.0) - export_price * max(-net, 0.0)
    return worth


@inner_kernel
def next_peak_kw(tables: Tables, y: int, t: int, peak_kw: float, net_kwh: float) -> float:
    """Return the highest import of the month before step t + 1, 0 where a month starts there [kW]."""
    if t + 1 < tables.month_start.shape[1] and tables.month_start[y, t + 1] > 0.0:
        return 0.0
    return max(peak_kw, net_kwh)
