"""Generation of the PV plant: pvlib's chain from weather to AC energy, and one factor that meets a stated year."""

from dataclasses import dataclass

import numpy as np
import pvlib
from scipy.optimize import brentq

from iquitos_citylearn.params import Calendar, Location, PvParams
from iquitos_citylearn.site.clock import HOURS_PER_YEAR
from iquitos_citylearn.site.model import FloatArray, Weather
from iquitos_citylearn.site.sun import Sun, mid_hour_sun

DEFAULT_WIND_SPEED_M_PER_S = 1.0
"""Wind where the weather has none: pvlib's default, near the mean of a measured year in Iquitos (0.8 m/s)."""
ALBEDO = 0.2
MAX_DC_GAIN = 10.0
"""Largest factor on DC power that is tried: beyond it nearly every hour of sun stands at the inverter limit."""
ENERGY_DECIMALS = 6
LIMIT_TOLERANCE_KW = 1e-6


@dataclass(frozen=True, kw_only=True)
class PvResult:
    """A year of PV generation.

    Attributes
    ----------
    generation_kwh : ndarray, shape (8760,)
        AC energy of each hour, rounded to 6 decimals [kWh].
    dc_gain : float
        The factor on DC power, before the inverter limit, that meets the stated annual energy; 1 for pure physics.
    annual_energy_kwh : float
        Sum of `generation_kwh` [kWh].
    specific_yield_kwh_per_kwp : float
        Annual energy per rated power [kWh/kWp].
    ghi_kwh_per_m2, poa_kwh_per_m2 : float
        Irradiation of the year, horizontal and in the plane of the modules [kWh/m2].
    performance_ratio : float
        Specific yield over the horizontal irradiation (GHI) at 1 kW/m2.
    performance_ratio_poa : float
        The same over the plane-of-array irradiation.
    clipped_hours : int
        Hours at the inverter limit.
    """

    generation_kwh: FloatArray
    dc_gain: float
    annual_energy_kwh: float
    specific_yield_kwh_per_kwp: float
    ghi_kwh_per_m2: float
    poa_kwh_per_m2: float
    performance_ratio: float
    performance_ratio_poa: float
    clipped_hours: int


def simulate_pv(weather: Weather, pv: PvParams, location: Location, calendar: Calendar) -> PvResult:
    """Simulate a year of PV generation.

    Parameters
    ----------
    weather : Weather
        Hourly weather of the whole year, arrays of shape (8760,).
    pv : PvParams
        The plant. `annual_energy_kwh` null: pure physics, `dc_gain` 1.
    location : Location
        Where the plant stands.
    calendar : Calendar
        Its year gives the dates.

    Returns
    -------
    PvResult
        Generation, the factor that was needed, and the figures that judge it.

    Raises
    ------
    ValueError
        When the weather is not 8,760 hours long or the annual energy is beyond the inverter limit.

    Notes
    -----
    Sun in the middle of the hour; Hay-Davies transposition; Martin-Ruiz reflection; Faiman cell
    temperature at the wind of the weather, or at 1 m/s where it has none; PVWatts DC and inverter models. The
    inverter's limit is its AC rating, so its DC rating is the limit over its efficiency.

    References
    ----------
    Hay and Davies (1980), First Canadian Solar Radiation Data Workshop; Martin and Ruiz (2001),
    doi:10.1016/S0927-0248(00)00408-6; Faiman (2008), doi:10.1002/pip.813;
    Dobos (2014), PVWatts Version 5 Manual, NREL/TP-6A20-62641, doi:10.2172/1158421.
    """
    if len(weather.ghi_w_per_m2) != HOURS_PER_YEAR:
        raise ValueError(f"weather has {len(weather.ghi_w_per_m2)} rows; PV needs a whole year, {HOURS_PER_YEAR}")
    poa_w_per_m2, effective_w_per_m2 = plane_of_array(weather, pv, mid_hour_sun(location, calendar))
    dc_kw = dc_power(effective_w_per_m2, weather, pv)
    dc_gain = 1.0 if pv.annual_energy_kwh is None else solve_dc_gain(dc_kw, pv.annual_energy_kwh, pv)
    generation_kwh = np.round(ac_power(dc_gain * dc_kw, pv), ENERGY_DECIMALS)
    ghi_kwh_per_m2 = float(weather.ghi_w_per_m2.sum()) / 1000
    return _judge(generation_kwh, dc_gain, ghi_kwh_per_m2, float(poa_w_per_m2.sum()) / 1000, pv)


def plane_of_array(weather: Weather, pv: PvParams, sun: Sun) -> tuple[FloatArray, FloatArray]:
    """Transpose irradiance to the plane of the modules (Hay-Davies) and take off reflection (Martin and Ruiz).

    Parameters
    ----------
    weather : Weather
        Irradiances, arrays of shape (n_steps,).
    pv : PvParams
        Tilt and azimuth.
    sun : Sun
        The sun in the middle of each hour.

    Returns
    -------
    poa_w_per_m2, effective_w_per_m2 : ndarray, shape (n_steps,)
        Global irradiance in the plane, and what enters the modules; 0 while the sun is down [W/m2].
    """
    parts = pvlib.irradiance.get_total_irradiance(
        surface_tilt=pv.tilt_deg,
        surface_azimuth=pv.azimuth_deg,
        solar_zenith=sun.apparent_zenith_deg,
        solar_azimuth=sun.azimuth_deg,
        dni=weather.dni_w_per_m2,
        ghi=weather.ghi_w_per_m2,
        dhi=weather.dhi_w_per_m2,
        dni_extra=sun.extra_normal_w_per_m2,
        albedo=ALBEDO,
        model="haydavies",
    )
    aoi_deg = pvlib.irradiance.aoi(pv.tilt_deg, pv.azimuth_deg, sun.apparent_zenith_deg, sun.azimuth_deg)
    iam_diffuse = pvlib.iam.martin_ruiz_diffuse(pv.tilt_deg)
    effective = (
        parts["poa_direct"] * pvlib.iam.martin_ruiz(aoi_deg)
        + parts["poa_sky_diffuse"] * iam_diffuse["sky"]
        + parts["poa_ground_diffuse"] * iam_diffuse["ground"]
    )
    is_up = sun.cos_zenith > 0
    return np.where(is_up, parts["poa_global"], 0.0), np.where(is_up, effective, 0.0)


def dc_power(effective_w_per_m2: FloatArray, weather: Weather, pv: PvParams) -> FloatArray:
    """Return the DC power of the modules, losses taken off.

    Parameters
    ----------
    effective_w_per_m2 : ndarray, shape (n_steps,)
        Irradiance that enters the modules [W/m2].
    weather : Weather
        Air temperature, and the wind speed where it is known; arrays of shape (n_steps,).
    pv : PvParams
        Rated power, temperature coefficient, losses.

    Returns
    -------
    ndarray, shape (n_steps,)
        DC power [kW].
    """
    wind = DEFAULT_WIND_SPEED_M_PER_S if weather.wind_speed_m_per_s is None else weather.wind_speed_m_per_s
    temp_cell_c = pvlib.temperature.faiman(effective_w_per_m2, weather.temp_air_c, wind_speed=wind)
    power = pvlib.pvsystem.pvwatts_dc(
        effective_w_per_m2, temp_cell_c, pdc0=pv.rated_power_kwp, gamma_pdc=pv.temperature_coefficient_per_c
    )
    return np.asarray(power * (1 - pv.dc_losses))


def ac_power(dc_kw: FloatArray, pv: PvParams) -> FloatArray:
    """Return AC power behind the inverters, cut at their limit (PVWatts).

    Parameters
    ----------
    dc_kw : ndarray, shape (n_steps,)
        DC power [kW].
    pv : PvParams
        Inverter limit and nominal efficiency.

    Returns
    -------
    ndarray, shape (n_steps,)
        AC power, between 0 and the limit [kW].
    """
    dc_rating_kw = pv.inverter_limit_kw / pv.inverter_efficiency
    power = pvlib.inverter.pvwatts(dc_kw, dc_rating_kw, eta_inv_nom=pv.inverter_efficiency)
    return np.asarray(np.minimum(power, pv.inverter_limit_kw))


def solve_dc_gain(dc_kw: FloatArray, annual_energy_kwh: float, pv: PvParams) -> float:
    """Find the factor on DC power with which the AC energy of the year equals a stated figure.

    Parameters
    ----------
    dc_kw : ndarray, shape (8760,)
        DC power of the pure physics [kW].
    annual_energy_kwh : float
        The stated energy [kWh].
    pv : PvParams
        The inverters.

    Returns
    -------
    float
        The factor, applied before the inverter limit.

    Raises
    ------
    ValueError
        When not even `MAX_DC_GAIN` reaches the energy.
    """

    def excess_kwh(gain: float) -> float:
        return float(ac_power(gain * dc_kw, pv).sum()) - annual_energy_kwh

    if excess_kwh(MAX_DC_GAIN) < 0:
        reachable_kwh = excess_kwh(MAX_DC_GAIN) + annual_energy_kwh
        raise ValueError(
            f"pv.annual_energy_kwh is {annual_energy_kwh:g}; with pv.inverter_limit_kw {pv.inverter_limit_kw:g} "
            f"this weather allows at most {reachable_kwh:.0f} kWh, even with {MAX_DC_GAIN:g} times the DC power"
        )
    return float(brentq(excess_kwh, 0.0, MAX_DC_GAIN, xtol=1e-14, rtol=1e-14))


def _judge(
    generation_kwh: FloatArray, dc_gain: float, ghi_kwh_per_m2: float, poa_kwh_per_m2: float, pv: PvParams
) -> PvResult:
    annual_energy_kwh = float(generation_kwh.sum())
    specific_yield = annual_energy_kwh / pv.rated_power_kwp
    return PvResult(
        generation_kwh=generation_kwh,
        dc_gain=dc_gain,
        annual_energy_kwh=annual_energy_kwh,
        specific_yield_kwh_per_kwp=specific_yield,
        ghi_kwh_per_m2=ghi_kwh_per_m2,
        poa_kwh_per_m2=poa_kwh_per_m2,
        performance_ratio=specific_yield / ghi_kwh_per_m2,
        performance_ratio_poa=specific_yield / poa_kwh_per_m2,
        clipped_hours=int((generation_kwh >= pv.inverter_limit_kw - LIMIT_TOLERANCE_KW).sum()),
    )
