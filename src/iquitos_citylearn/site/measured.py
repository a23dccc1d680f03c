"""Readers of the user's own hourly weather and energy series; what is doubtful is refused, never repaired."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pvlib

from iquitos_citylearn.params import Calendar, Location
from iquitos_citylearn.site.clock import HOURS_PER_YEAR
from iquitos_citylearn.site.model import FloatArray, Weather
from iquitos_citylearn.site.sun import mid_hour_sun
from iquitos_citylearn.site.temperature import humidity_from_temperature

TIMESTAMP = "timestamp"
WEATHER_RANGES = {
    "ghi_wm2": (0.0, 1500.0),
    "dni_wm2": (0.0, 1500.0),
    "dhi_wm2": (0.0, 1000.0),
    "temp_air_c": (-40.0, 60.0),
}
"""Columns that a weather file must have, and the values that can be true."""
WIND = "wind_speed_ms"
WIND_RANGE = (-0.1, 60.0)
"""A column that a weather file may have, and its values: PVGIS interpolates and can be just below 0, which is calm."""
MAX_NIGHT_SHARE = 0.01
"""Largest share of the irradiation that may fall in hours without sun."""
MINUTES_PER_HOUR = 60

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_ISO_8601 = re.compile(r"(?P<local>\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2})?)(?P<offset>Z|[+-]\d{2}(:?\d{2})?)?")


class MeasuredDataError(ValueError):
    """A measured series is no whole, ordered, plausible year; the message names file, column, row and value."""


def read_weather_csv(path: Path, location: Location, calendar: Calendar) -> Weather:
    """Read a measured weather year.

    Parameters
    ----------
    path : Path
        CSV with `timestamp` (ISO 8601, hourly, the site's clock), `ghi_wm2`, `dni_wm2`, `dhi_wm2` [W/m2] and
        `temp_air_c` [C]; `wind_speed_ms` [m/s] where there is one. Other columns are left alone.
    location : Location
        Place and clock.
    calendar : Calendar
        Its year is the one that the rows are mapped to.

    Returns
    -------
    Weather
        Arrays of shape (8760,). Row r of the file is row r of the simulated year, whatever year the stamps name.

    Raises
    ------
    MeasuredDataError
        With file, column, row (the line in the file, the header being row 1) and value.

    Notes
    -----
    Rows are mapped by position: a file of a leap year (8,760 rows that end on 30 December) has its dates one day
    behind the simulated year from 29 February on. PVGIS's values hold at their stamps and are no hourly means;
    each stands here for the hour that starts at its stamp. Global and diffuse irradiance are taken as they are and
    the beam follows from their difference at the middle of the hour, where the rest of the chain has the sun, so that
    the energy on the horizontal plane is kept; the file's own beam belongs to the sun at the stamp and is only
    checked. Relative humidity is not in such files and is estimated; nothing physical depends on it.
    """
    table = _read_table(path, (TIMESTAMP, *WEATHER_RANGES), optional=(WIND,))
    times = _timestamps(path, table[TIMESTAMP], location.utc_offset_hours)
    _check_year(path, times, MINUTES_PER_HOUR)
    values = {name: _numbers(path, table[name], *bounds) for name, bounds in WEATHER_RANGES.items()}
    ghi, dhi, temp_air_c = values["ghi_wm2"], values["dhi_wm2"], values["temp_air_c"]
    sun = mid_hour_sun(location, calendar)
    _check_night(path, ghi, sun.zenith_deg)
    dni = np.nan_to_num(pvlib.irradiance.dni(ghi, dhi, sun.zenith_deg), nan=0.0)
    return Weather(
        temp_air_c=temp_air_c,
        relative_humidity_percent=humidity_from_temperature(temp_air_c),
        dhi_w_per_m2=dhi,
        dni_w_per_m2=np.minimum(dni, sun.extra_normal_w_per_m2),
        ghi_w_per_m2=ghi,
        wind_speed_m_per_s=np.maximum(_numbers(path, table[WIND], *WIND_RANGE), 0.0) if WIND in table else None,
    )


def read_energy_csv(path: Path, *, column: str, utc_offset_hours: int) -> FloatArray:
    """Read a measured year of energies, summed to hours.

    Parameters
    ----------
    path : Path
        CSV with `timestamp` (ISO 8601, the start of each step, the site's clock) and the energy of each step.
        Steps of an hour or of any number of whole minutes that divides it.
    column : str
        Name of the energy column [kWh].
    utc_offset_hours : int
        Offset of the site's clock; stamps that carry an offset must carry this one.

    Returns
    -------
    ndarray, shape (8760,)
        Energy of each hour, the sum of its steps [kWh]. Rows are mapped to the simulated year by position.

    Raises
    ------
    MeasuredDataError
        With file, column, row (the line in the file, the header being row 1) and value.
    """
    table = _read_table(path, (TIMESTAMP, column))
    times = _timestamps(path, table[TIMESTAMP], utc_offset_hours)
    step_minutes = _step_minutes(path, times)
    _check_year(path, times, step_minutes)
    energy_kwh = _numbers(path, table[column], 0.0, np.inf)
    return np.asarray(energy_kwh.reshape(HOURS_PER_YEAR, -1).sum(axis=1))


def _read_table(path: Path, names: tuple[str, ...], optional: tuple[str, ...] = ()) -> pd.DataFrame:
    """Read a CSV as text: the named columns, the optional ones that it has, a row for each line after the header."""
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, skip_blank_lines=False, encoding="utf-8-sig")
    except OSError as error:
        raise MeasuredDataError(f"{path}: cannot be read: {error.strerror}") from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise MeasuredDataError(f"{path}: is no CSV: {error}") from error
    if not isinstance(table.index, pd.RangeIndex):
        raise MeasuredDataError(f"{path}: rows have more fields than the header {list(table.columns)}")
    missing = [name for name in names if name not in table.columns]
    if missing:
        raise MeasuredDataError(f"{path}: column {', '.join(missing)} is missing; the header is {list(table.columns)}")
    present = [name for name in optional if name in table.columns]
    return table[[*names, *present]].fillna("")


def _fail(path: Path, column: str, index: int, problem: str) -> MeasuredDataError:
    """Return the error for a row counted from 0 after the header."""
    return MeasuredDataError(f"{path}: column {column}, row {index + 2}: {problem}")


def _numbers(path: Path, texts: "pd.Series[str]", low: float, high: float) -> FloatArray:
    column = str(texts.name)
    is_number = texts.str.strip().str.fullmatch(_NUMBER).to_numpy(dtype=bool)
    if not is_number.all():
        index = int(np.argmin(is_number))
        raise _fail(path, column, index, f"{texts.iloc[index]!r} is no number")
    values = texts.to_numpy(dtype=object).astype(np.float64)
    is_allowed = np.isfinite(values) & (values >= low) & (values <= high)
    if not is_allowed.all():
        index = int(np.argmin(is_allowed))
        allowed = f"at least {low:g}" if np.isinf(high) else f"{low:g} to {high:g}"
        raise _fail(path, column, index, f"{values[index]:g} is out of range, allowed {allowed}")
    return np.asarray(values)


def _timestamps(path: Path, texts: "pd.Series[str]", utc_offset_hours: int) -> pd.DatetimeIndex:
    """Return the stamps in the site's clock, without an offset."""
    parts = texts.str.strip().str.extract(f"^{_ISO_8601.pattern}$")
    times = pd.to_datetime(parts["local"], format="ISO8601", errors="coerce")
    wrong = times.isna().to_numpy()
    if wrong.any():
        index = int(np.argmax(wrong))
        raise _fail(path, TIMESTAMP, index, f"{texts.iloc[index]!r} is no ISO 8601 time such as 2023-01-31 13:00")
    offsets = parts["offset"].fillna("").str.replace("Z", "+00").str.replace(":", "")
    offsets = offsets.where(offsets.str.len() != 3, offsets + "00")
    expected = f"{utc_offset_hours:+03d}00" if offsets.iloc[0] else ""
    wrong = (offsets != expected).to_numpy()
    if wrong.any():
        index = int(np.argmax(wrong))
        wanted = f"offset {expected}" if expected else "no offset, as row 2 has none"
        raise _fail(path, TIMESTAMP, index, f"{texts.iloc[index]!r} is not in the site's clock: expected {wanted}")
    return pd.DatetimeIndex(times)


def _step_minutes(path: Path, times: pd.DatetimeIndex) -> int:
    """Return the step between the first two rows: whole minutes that divide an hour."""
    if len(times) < 2:
        raise MeasuredDataError(f"{path}: has {len(times)} rows; needs a whole year")
    seconds = (times[1] - times[0]).total_seconds()
    minutes = int(seconds // 60)
    if seconds <= 0 or seconds % 60 or minutes > MINUTES_PER_HOUR or MINUTES_PER_HOUR % minutes:
        raise _fail(path, TIMESTAMP, 1, f"the step is {seconds:g} s; allowed: an hour or whole minutes that divide it")
    return minutes


def _check_year(path: Path, times: pd.DatetimeIndex, step_minutes: int) -> None:
    """Refuse stamps that do not run through 8,760 hours from 1 January 00:00 in equal steps."""
    step = pd.Timedelta(minutes=step_minutes)
    n_rows = HOURS_PER_YEAR * MINUTES_PER_HOUR // step_minutes
    if len(times) and times[0] != pd.Timestamp(year=times[0].year, month=1, day=1):
        raise _fail(path, TIMESTAMP, 0, f"{times[0]} is not the start of a year, 1 January 00:00")
    distance = times[1:] - times[:-1]
    wrong = np.asarray(distance != step)
    if wrong.any():
        index = int(np.argmax(wrong)) + 1
        found = distance[index - 1]
        kind = "is there twice" if found == pd.Timedelta(0) else "is out of order" if found < step else "follows a gap"
        raise _fail(
            path, TIMESTAMP, index, f"{times[index]} {kind}: expected {times[index - 1] + step}, {step_minutes} min on"
        )
    if len(times) != n_rows:
        raise MeasuredDataError(
            f"{path}: has {len(times)} rows; a year of {step_minutes} min steps has {n_rows} (rows are mapped by "
            f"position: of a leap year leave out the last day)"
        )


def _check_night(path: Path, ghi: FloatArray, zenith_deg: FloatArray) -> None:
    """Refuse irradiation at night: the stamps are in another clock."""
    share = float(ghi[zenith_deg >= 90].sum() / max(ghi.sum(), 1.0))
    if share > MAX_NIGHT_SHARE:
        raise MeasuredDataError(
            f"{path}: column ghi_wm2: {share:.0%} of the irradiation falls in hours without sun (allowed "
            f"{MAX_NIGHT_SHARE:.0%}): the stamps are in another clock or for another place"
        )
