"""Tables computed once per year before any agent acts: forecasts, the shadow without cars, reachable SOCs, scales."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from iquitos_citylearn.env.arrays import NO_SESSION, without_import_limit
from iquitos_citylearn.env.demand import month_starts, peak_rises_kw
from iquitos_citylearn.env.features import (
    CARBON_INTENSITY,
    FIRST_FORECAST,
    HOUR_COS,
    HOUR_SIN,
    LOAD_LAST,
    OCCUPANCY,
    PRICE,
    PV_LAST,
)
from iquitos_citylearn.env.forecast import forecast_pv
from iquitos_citylearn.env.kernels import kernel
from iquitos_citylearn.env.physics import (
    Equipment,
    State,
    YearArrays,
    advance_env,
    apply_actions_env,
    dispatches_bess,
    make_state,
    reset_env,
)
from iquitos_citylearn.params import EnvironmentParams
from iquitos_citylearn.site.clock import HOURS_PER_DAY
from iquitos_citylearn.site.expectations import Expectations
from iquitos_citylearn.site.model import Battery, FloatArray, IntArray, Site


class Tables(NamedTuple):
    """Arrays with a leading year axis Y; steps T, sessions S, forecast hours H.

    Attributes
    ----------
    site_entries : ndarray of float32, shape (Y, T, 9 + H)
        The site's part of the observation without `month_peak`; 0 in the entries that depend on earlier actions
        (`bess_soc`, `fleet_power_needed`).
    evening : ndarray, shape (Y, T)
        1 in the evening-peak hours, else 0.
    shadow_import_kwh, shadow_export_kwh : ndarray, shape (Y, T)
        Grid exchange of the same year when no car charges [kWh].
    shadow_bess_soc_change : ndarray, shape (Y, T)
        SOC of the stationary battery then, after each step minus before it.
    shadow_peak_rise_kw : ndarray, shape (Y, T)
        By how much each step lifts the highest import of its month then [kW].
    month_start : ndarray, shape (Y, T)
        1 in the steps that start a month, else 0.
    target_soc : ndarray, shape (Y, S)
        min(required SOC, what charging at full power from arrival reaches), whatever the grid connection carries.
    price_per_mean, carbon_per_mean : ndarray, shape (Y,)
        1 / mean absolute value of the year (0 where that is 0).
    demand_per_mean_price : ndarray, shape (Y,)
        Demand charge over the mean absolute tariff [kWh/kW].
    demand_charge_usd_per_kw : float
        Charge on the highest import of a month.
    settles_month_peak : bool
        Whether that import is followed hour by hour, paid for and observed: with a demand charge, and wherever the
        agent dispatches the battery.
    reference_power_kw, total_charger_rating_kw : float
        Scales of the observation [kW].
    bess_capacity_kwh, bess_discharge_efficiency : float
        Capacity [kWh] and one-way efficiency at full power; 0 without a battery.
    """

    site_entries: NDArray[np.float32]
    evening: FloatArray
    shadow_import_kwh: FloatArray
    shadow_export_kwh: FloatArray
    shadow_bess_soc_change: FloatArray
    shadow_peak_rise_kw: FloatArray
    month_start: FloatArray
    target_soc: FloatArray
    price_per_mean: FloatArray
    carbon_per_mean: FloatArray
    demand_per_mean_price: FloatArray
    demand_charge_usd_per_kw: float
    settles_month_peak: bool
    reference_power_kw: float
    total_charger_rating_kw: float
    bess_capacity_kwh: float
    bess_discharge_efficiency: float


def make_tables(
    sites: Sequence[Site],
    equipment: Equipment,
    years: YearArrays,
    params: EnvironmentParams,
    expected: Expectations,
    forecast_keys: Sequence[int],
) -> Tables:
    """Compute the tables of several years of one site.

    Parameters
    ----------
    sites : sequence of Site, length Y
        The years.
    equipment, years : Equipment, YearArrays
        The same years for the compiled simulator.
    params : EnvironmentParams
        Forecast and evening-peak hours.
    expected : Expectations
        From the training years.
    forecast_keys : sequence of int, length Y
        One number per year; with `params.forecast_seed` it decides the year's forecast errors.

    Raises
    ------
    ValueError
        When the years differ in their demand charge.
    """
    hour = np.stack([site.hour - 1 for site in sites])
    by_rule = equipment._replace(bess_automatic=True)
    shadow = [_constant_year(by_rule, years, y, 0.0) for y in range(len(sites))]
    full = [_constant_year(without_import_limit(equipment), years, y, 1.0) for y in range(len(sites))]
    forecasts = [
        forecast_pv(site.pv_kwh, site.hour - 1, params, expected, np.random.default_rng([params.forecast_seed, key]))
        for site, key in zip(sites, forecast_keys, strict=True)
    ]
    shadow_net = np.stack([net for net, _, _ in shadow])
    shadow_import = np.maximum(shadow_net, 0.0)
    month_start = np.stack([month_starts(site.month) for site in sites])
    charge = _only_demand_charge(sites)
    price_per_mean = _inverse(np.abs(years.price_usd_per_kwh).mean(axis=1))
    bess = sites[0].bess
    rating = float(sum(charger.max_charging_power_kw for charger in sites[0].chargers))
    reference = max(float(sites[0].pv_rated_power_kwp), rating)
    return Tables(
        site_entries=_site_entries(hour, years, np.stack(forecasts), reference),
        evening=np.isin(hour, params.evening_peak_hours).astype(np.float64),
        shadow_import_kwh=shadow_import,
        shadow_export_kwh=np.maximum(-shadow_net, 0.0),
        shadow_bess_soc_change=np.stack([change for _, change, _ in shadow]),
        shadow_peak_rise_kw=np.stack(list(map(peak_rises_kw, shadow_import, month_start))),
        month_start=month_start,
        target_soc=np.minimum(years.session_required_soc, np.stack([departure for _, _, departure in full])),
        price_per_mean=price_per_mean,
        carbon_per_mean=_inverse(years.carbon_kg_per_kwh.mean(axis=1)),
        demand_per_mean_price=charge * price_per_mean,
        demand_charge_usd_per_kw=charge,
        settles_month_peak=charge > 0.0 or dispatches_bess(equipment),
        reference_power_kw=reference,
        total_charger_rating_kw=rating,
        bess_capacity_kwh=float(bess.energy_capacity_kwh) if bess else 0.0,
        bess_discharge_efficiency=_one_way_efficiency(bess) if bess else 0.0,
    )


def _site_entries(
    hour: IntArray, years: YearArrays, forecast_kwh: FloatArray, reference_kw: float
) -> NDArray[np.float32]:
    """Return `Tables.site_entries`."""
    angle = 2 * np.pi * hour / HOURS_PER_DAY
    price, carbon = years.price_usd_per_kwh, years.carbon_kg_per_kwh
    table = np.zeros((*hour.shape, FIRST_FORECAST + forecast_kwh.shape[-1]), dtype=np.float32)
    table[:, :, HOUR_SIN] = np.sin(angle)
    table[:, :, HOUR_COS] = np.cos(angle)
    table[:, :, PRICE] = price * _inverse(np.abs(price).max(axis=1, keepdims=True))
    table[:, :, CARBON_INTENSITY] = _metered_before(carbon * _inverse(carbon.max(axis=1, keepdims=True)))
    table[:, :, PV_LAST] = _metered_before(np.minimum(1.0, years.pv_kwh / reference_kw))
    table[:, :, LOAD_LAST] = _metered_before(np.clip(years.load_kwh / reference_kw, 0.0, 1.0))
    table[:, :, OCCUPANCY] = (years.session_of != NO_SESSION).mean(axis=2)
    table[:, :, FIRST_FORECAST:] = np.minimum(1.0, forecast_kwh / reference_kw)
    return table


def _metered_before(series: FloatArray) -> FloatArray:
    """Return the series as metered in the hour before each step; 0 at the first."""
    return np.pad(series[:, :-1], ((0, 0), (1, 0)))


def _constant_year(
    equipment: Equipment, years: YearArrays, y: int, charger_action: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    state = make_state(1, years.session_of.shape[2])
    return _run_constant(equipment, years, state, 0, y, charger_action)


@kernel(_nrt=True)
def _run_constant(
    equipment: Equipment, years: YearArrays, state: State, e: int, y: int, charger_action: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    # e is an argument: for a literal 0, Numba would compile all kernels called here once more.
    n_steps, n_chargers = years.session_of.shape[1], years.session_of.shape[2]
    net = np.zeros(n_steps)
    bess_soc_change = np.zeros(n_steps)
    departure_soc = np.zeros(years.session_arrival_soc.shape[1])
    action = np.full(n_chargers, charger_action)
    reset_env(equipment, years, state, e, y)
    for t in range(n_steps):
        bess_soc_before = state.bess_soc[e]
        apply_actions_env(equipment, years, state, e, action, 0.0)
        net[t] = state.net_kwh[e]
        for k in range(years.connected_first[y, t], years.connected_first[y, t + 1]):
            departure_soc[years.connected_session[y, k]] = state.ev_soc[e, years.connected_charger[y, k]]
        bess_soc_change[t] = state.bess_soc[e] - bess_soc_before
        advance_env(equipment, years, state, e)
    return net, bess_soc_change, departure_soc


def _only_demand_charge(sites: Sequence[Site]) -> float:
    charges = {site.demand_charge_usd_per_kw_month for site in sites}
    if len(charges) > 1:
        raise ValueError(f"the years differ in demand_charge_usd_per_kw_month: {sorted(charges)}")
    return float(charges.pop())


def _inverse(values: FloatArray) -> FloatArray:
    return np.divide(1.0, values, out=np.zeros_like(values), where=values != 0)


def _one_way_efficiency(battery: Battery) -> float:
    _, round_trip = battery.power_efficiency_curve
    return float(np.sqrt(round_trip[-1]))
