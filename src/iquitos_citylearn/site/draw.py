"""One year of the site from one seed: weather, PV, load, sessions and equipment put together."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from iquitos_citylearn.params import BessParams, ChargingParams, FleetParams, GridParams, SiteParams
from iquitos_citylearn.site.citylearn_files.writer import as_stored
from iquitos_citylearn.site.clock import HOURS_PER_DAY, year_hours
from iquitos_citylearn.site.mall import generate_load
from iquitos_citylearn.site.measured import read_energy_csv, read_weather_csv
from iquitos_citylearn.site.model import (
    WEATHER_SERIES,
    Battery,
    Charger,
    FloatArray,
    IntArray,
    Site,
    Weather,
    flat_efficiency,
)
from iquitos_citylearn.site.pv import PvResult, simulate_pv
from iquitos_citylearn.site.sessions import generate_sessions
from iquitos_citylearn.site.weather import generate_weather

ENERGY_COLUMN = "energy_kwh"
"""Column of energies in a measured series of load or generation; the other one is `timestamp`."""


@dataclass(frozen=True, kw_only=True)
class DrawReport:
    """The whole year behind a draw, before it is cut to the calendar's days; arrays of shape (8760,).

    Attributes
    ----------
    load_kwh, pv_kwh : ndarray
        Mall load and PV generation [kWh].
    weather : Weather
        The weather.
    pv : PvResult or None
        How the generation was simulated; None when it was measured.
    """

    load_kwh: FloatArray
    pv_kwh: FloatArray
    weather: Weather
    pv: PvResult | None


def draw_site(params: SiteParams, seed: int) -> tuple[Site, DrawReport]:
    """Draw a year of the site.

    Parameters
    ----------
    params : SiteParams
        The site. Measured series that it names take the place of generated ones, the same in every draw.
    seed : int
        Seed of the draw. Weather, load and sessions have independent generators, so a measured series in place of one
        part leaves the other parts as they were.

    Returns
    -------
    site : Site
        The first `calendar.n_days` days, every value as a data set holds it (float32).
    report : DrawReport
        The whole year, for its summary.

    Raises
    ------
    ValueError
        When params contradict each other or a measured series is no whole, plausible year.
    """
    weather_rng, mall_rng, sessions_rng = (
        np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(3)
    )
    report = _draw_series(params, weather_rng, mall_rng)
    hours = year_hours(params.calendar)
    site = Site(
        month=hours.month.to_numpy().astype(np.int64),
        hour=hours.hour.to_numpy().astype(np.int64) + 1,
        day_type=hours.dayofweek.to_numpy().astype(np.int64) + 1,
        load_kwh=report.load_kwh,
        pv_kwh=report.pv_kwh,
        price_usd_per_kwh=tariff(params.grid, hours.hour.to_numpy()),
        carbon_kg_per_kwh=np.full(len(hours), params.grid.carbon_intensity_kg_per_kwh),
        weather=report.weather,
        pv_rated_power_kwp=float(params.pv.rated_power_kwp),
        bess=None if params.bess is None else make_bess(params.bess),
        bess_dispatch=params.bess_dispatch,
        demand_charge_usd_per_kw_month=float(params.grid.demand_charge_usd_per_kw_month),
        import_limit_kw=params.grid.import_limit_kw,
        chargers=make_chargers(params.charging),
        sessions=generate_sessions(params.charging, sessions_rng, params.calendar.n_days),
    )
    return as_stored(first_steps(site, params.calendar.n_days * HOURS_PER_DAY)), report


def tariff(grid: GridParams, hour: IntArray) -> FloatArray:
    """Return the tariff of each step [USD/kWh] from its hour of the day, both of shape (n_steps,)."""
    flat = np.full(len(hour), grid.tariff_usd_per_kwh)
    if grid.peak_tariff_usd_per_kwh is None:
        return flat
    return np.where(np.isin(hour, grid.peak_tariff_hours), grid.peak_tariff_usd_per_kwh, flat)


def make_bess(bess: BessParams) -> Battery:
    """Return the stationary battery: constant power, one round-trip efficiency, no standing loss, no fade."""
    return Battery(
        energy_capacity_kwh=float(bess.energy_capacity_kwh),
        nominal_power_kw=float(bess.power_kw),
        initial_soc=bess.energy_initial_kwh / bess.energy_capacity_kwh,
        depth_of_discharge=1 - bess.energy_min_kwh / bess.energy_capacity_kwh,
        power_efficiency_curve=flat_efficiency(bess.efficiency_round_trip),
    )


def make_chargers(charging: ChargingParams) -> tuple[Charger, ...]:
    """Return the chargers fleet by fleet, numbered from `charger_001`, each with the one car that uses it."""
    fleets = [fleet for fleet in charging.fleets.values() for _ in range(fleet.n_chargers)]
    return tuple(
        Charger(
            name=f"charger_{index:03d}",
            max_charging_power_kw=float(fleet.power_kw),
            efficiency=float(charging.charger_efficiency),
            ev=_car(fleet),
        )
        for index, fleet in enumerate(fleets, start=1)
    )


def first_steps(site: Site, n_steps: int) -> Site:
    """Return a site whose series are cut to their first `n_steps`; its sessions must end by then."""
    series = ("month", "hour", "day_type", "load_kwh", "pv_kwh", "price_usd_per_kwh", "carbon_kg_per_kwh")
    weather = Weather(**{name: getattr(site.weather, name)[:n_steps] for name in WEATHER_SERIES})
    return replace(site, weather=weather, **{name: getattr(site, name)[:n_steps] for name in series})


def _draw_series(params: SiteParams, weather_rng: np.random.Generator, mall_rng: np.random.Generator) -> DrawReport:
    location, calendar = params.location, params.calendar
    if params.pv.weather_csv is None:
        weather = generate_weather(params.weather, location, calendar, weather_rng)
    else:
        weather = read_weather_csv(Path(params.pv.weather_csv), location, calendar)
    if params.mall.load_csv is None:
        load_kwh = generate_load(params.mall, calendar, mall_rng)
    else:
        load_kwh = _read_energy(params.mall.load_csv, location.utc_offset_hours)
    if params.pv.generation_csv is not None:
        pv_kwh = _read_energy(params.pv.generation_csv, location.utc_offset_hours)
        return DrawReport(load_kwh=load_kwh, pv_kwh=pv_kwh, weather=weather, pv=None)
    pv = simulate_pv(weather, params.pv, location, calendar)
    return DrawReport(load_kwh=load_kwh, pv_kwh=pv.generation_kwh, weather=weather, pv=pv)


def _read_energy(path: str, utc_offset_hours: int) -> FloatArray:
    return read_energy_csv(Path(path), column=ENERGY_COLUMN, utc_offset_hours=utc_offset_hours)


def _car(fleet: FleetParams) -> Battery:
    """Return the battery of a car: the charger's power and efficiency are the only limits."""
    return Battery(
        energy_capacity_kwh=float(fleet.battery_kwh),
        nominal_power_kw=float(fleet.power_kw),
        initial_soc=float(fleet.arrival_soc),
        depth_of_discharge=1.0,
        power_efficiency_curve=flat_efficiency(1.0),
    )
