"""Writer of a site as an ordinary CityLearn 3.0.2 data set; `reader` reads it back."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from iquitos_citylearn.runtime.artifacts import write_bytes, write_csv, write_json
from iquitos_citylearn.site.citylearn_files import layout
from iquitos_citylearn.site.citylearn_files.schema import charger_file, ev_name, knows_irradiance, site_schema
from iquitos_citylearn.site.model import WEATHER_SERIES, FloatArray, IntArray, Sessions, Site, Weather
from iquitos_citylearn.site.validity import session_problem

CHARGER_HEADER = ",".join((*layout.CHARGER_COLUMNS, layout.CURRENT_SOC))
AWAY_ROW = f"{layout.AWAY},,,,,,"

SERIES = ("load_kwh", "pv_kwh", "price_usd_per_kwh", "carbon_kg_per_kwh")
CALENDAR_SERIES = ("month", "hour", "day_type")
MAY_BE_NEGATIVE = ("price_usd_per_kwh", "temp_air_c")
NOT_STORED = "what float32 holds: round the site with as_stored first"
MIN_STEPS = 2


class DatasetError(ValueError):
    """A site that no data set can hold, or a data set that is damaged or that CityLearn would read otherwise."""


def as_stored(site: Site) -> Site:
    """Return the site with every series and state of charge rounded to float32, as CityLearn holds them."""
    weather = Weather(**{name: _float32(getattr(site.weather, name)) for name in WEATHER_SERIES})
    sessions = replace(
        site.sessions,
        arrival_soc=_float32(site.sessions.arrival_soc),
        required_soc=_float32(site.sessions.required_soc),
    )
    return replace(
        site,
        load_kwh=_float32(site.load_kwh),
        pv_kwh=_float32(site.pv_kwh),
        price_usd_per_kwh=_float32(site.price_usd_per_kwh),
        carbon_kg_per_kwh=_float32(site.carbon_kg_per_kwh),
        weather=weather,
        sessions=sessions,
    )


def write_dataset(site: Site, folder: Path, *, random_seed: int = 0) -> None:
    """Write a site as a CityLearn data set: `schema.json`, four CSVs of the site, one CSV for each charger.

    The predicted columns of weather and price are the series 6, 12 and 24 hours ahead; past the last row they go on
    with the first. The indoor temperature is that of the air outside: nothing is heated or cooled here. The global
    irradiance, for which CityLearn has no column, stands in a file of its own that CityLearn does not read; none is
    written where it is not known (NaN throughout, as in a site read from a data set without it).

    Parameters
    ----------
    site : Site
        The site; its values must be as CityLearn holds them (see `as_stored`).
    folder : Path
        Where to write. Charger files of an earlier data set there are removed; `schema.json` is written last.
    random_seed : int
        CityLearn's seed in the schema.

    Raises
    ------
    DatasetError
        If the site holds what CityLearn would change, or reads in another way.
    """
    _check_series(site)
    _check_equipment(site)
    _check_sessions(site)
    folder.mkdir(parents=True, exist_ok=True)
    files = (layout.SCHEMA_FILE, layout.IRRADIANCE_FILE)
    for stale in (*(folder / name for name in files), *folder.glob(layout.CHARGER_FILES)):
        stale.unlink(missing_ok=True)
    for name, table in _site_tables(site).items():
        write_csv(folder / name, table)
    bounds = np.searchsorted(site.sessions.charger, np.arange(site.n_chargers + 1))
    for index, (first, last) in enumerate(pairwise(bounds)):
        text = _charger_csv(site.sessions, range(first, last), ev_name(index), site.n_steps)
        write_bytes(folder / charger_file(index), text.encode("ascii"))
    write_json(folder / layout.SCHEMA_FILE, site_schema(site, random_seed))


def _site_tables(site: Site) -> dict[str, pd.DataFrame]:
    zero = np.zeros(site.n_steps, dtype=np.int64)
    building: dict[str, IntArray | FloatArray] = {
        **{name: getattr(site, name) for name in CALENDAR_SERIES},
        layout.INDOOR_TEMPERATURE: site.weather.temp_air_c,
        layout.LOAD: site.load_kwh,
        **dict.fromkeys(layout.THERMAL_DEMANDS, zero),
        layout.SOLAR: site.pv_kwh,
    }
    measured = {name: getattr(site.weather, field) for name, field in layout.WEATHER_FIELDS.items()}
    ahead = {key: value for name, series in measured.items() for key, value in _ahead(name, series).items()}
    irradiance = {layout.GLOBAL_IRRADIANCE: site.weather.ghi_w_per_m2}
    return {
        layout.BUILDING_FILE: _table(building),
        layout.WEATHER_FILE: _table({**measured, **ahead}),
        layout.PRICING_FILE: _table(
            {layout.PRICE: site.price_usd_per_kwh} | _ahead(layout.PRICE, site.price_usd_per_kwh)
        ),
        layout.CARBON_FILE: _table({layout.CARBON: site.carbon_kg_per_kwh}),
        **({layout.IRRADIANCE_FILE: _table(irradiance)} if knows_irradiance(site) else {}),
    }


def _ahead(name: str, series: FloatArray) -> dict[str, FloatArray]:
    leads = zip(layout.predicted(name), layout.PREDICTED_LEADS_HOURS, strict=True)
    return {column: np.roll(series, -lead) for column, lead in leads}


def _table(series: dict[str, IntArray | FloatArray] | dict[str, FloatArray]) -> pd.DataFrame:
    """Return the series as whole numbers and float32, whose text is the shortest that reads back the same."""
    return pd.DataFrame(
        {name: values.astype(np.float32) if values.dtype.kind == "f" else values for name, values in series.items()}
    )


def _charger_csv(sessions: Sessions, rows: range, ev: str, n_steps: int) -> str:
    """Return the file of one charger; a car is announced in the row before it arrives."""
    lines = [AWAY_ROW] * n_steps
    if not rows:
        lines[0] = f"{layout.AWAY},{ev},,,,,"
    for row in rows:
        arrival, departure = int(sessions.arrival_step[row]), int(sessions.departure_step[row])
        soc, required = (_text(values[row]) for values in (sessions.arrival_soc, sessions.required_soc))
        if arrival > 0:
            lines[arrival - 1] = f"{layout.INCOMING},{ev},,,1,{soc},"
        for step in range(arrival, departure):
            lines[step] = f"{layout.CONNECTED},{ev},{departure - step},{required},,,"
        lines[arrival] += soc
    return "\n".join((CHARGER_HEADER, *lines, ""))


def _text(value: float) -> str:
    return str(np.float32(value))


def _float32(values: FloatArray) -> FloatArray:
    return values.astype(np.float32).astype(np.float64)


def _check_series(site: Site) -> None:
    weather_series = WEATHER_SERIES if knows_irradiance(site) else tuple(layout.WEATHER_FIELDS.values())
    owners = [(site, name) for name in (*CALENDAR_SERIES, *SERIES)] + [(site.weather, name) for name in weather_series]
    for owner, name in owners:
        values = getattr(owner, name)
        if values.shape != (site.n_steps,):
            raise DatasetError(f"{name} has the shape {values.shape}; the site has {site.n_steps} steps")
        limits = layout.ANY if name in MAY_BE_NEGATIVE else layout.NOT_NEGATIVE
        limits = layout.Limits(*layout.CALENDAR[name]) if name in layout.CALENDAR else limits
        _refuse(name, values, limits.refuse(values), str(limits))
        _refuse(name, values, values != _float32(values), NOT_STORED)
    if site.n_steps < MIN_STEPS:
        raise DatasetError(f"the site has {site.n_steps} steps; CityLearn needs at least {MIN_STEPS}")
    _refuse("hour", site.hour[1:], site.hour[1:] != site.hour[:-1] % 24 + 1, "the hour before plus 1, and 1 after 24")


def _check_equipment(site: Site) -> None:
    names = [charger.name for charger in site.chargers]
    if len(set(names)) != len(names):
        raise DatasetError(f"two chargers have one name: {sorted(names)}")
    _refuse_number(layout.DEMAND_CHARGE, site.demand_charge_usd_per_kw_month, layout.NOT_NEGATIVE)
    batteries = {charger.name: charger.ev for charger in site.chargers}
    for name, battery in (batteries | ({} if site.bess is None else {"bess": site.bess})).items():
        for field, limits in layout.BATTERY_ATTRIBUTES.values():
            _refuse_number(f"{name}: {field}", getattr(battery, field), limits)
    for charger in site.chargers:
        for field, limits in layout.CHARGER_ATTRIBUTES.values():
            _refuse_number(f"{charger.name}: {field}", getattr(charger, field), limits)


def _check_sessions(site: Site) -> None:
    problem = session_problem(site.sessions, site.n_steps, site.n_chargers)
    if problem is not None:
        raise _error(*problem)
    for name in ("arrival_soc", "required_soc"):
        values = getattr(site.sessions, name)
        _refuse(name, values, values != _float32(values), NOT_STORED)


def _refuse_number(name: str, value: float, limits: layout.Limits) -> None:
    if limits.refuse(np.asarray(value, dtype=np.float64)).any():
        raise DatasetError(f"{name} is {value}; allowed: {limits}")


def _refuse(name: str, values: IntArray | FloatArray, wrong: NDArray[np.bool_], allowed: str) -> None:
    if wrong.any():
        index = int(np.flatnonzero(wrong)[0])
        raise _error(name, index, values[index], allowed)


def _error(name: str, index: int, value: float, allowed: str) -> DatasetError:
    return DatasetError(f"{name}[{index}] is {value}; allowed: {allowed}")
