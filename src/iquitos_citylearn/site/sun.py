"""Where the sun stands in the middle of every hour of the year."""

from dataclasses import dataclass
from datetime import timedelta, timezone

import numpy as np
import pandas as pd
import pvlib

from iquitos_citylearn.params import Calendar, Location
from iquitos_citylearn.site.clock import HOURS_PER_YEAR
from iquitos_citylearn.site.model import FloatArray


@dataclass(frozen=True, kw_only=True)
class Sun:
    """The sun in the middle of each hour; arrays of shape (8760,).

    Attributes
    ----------
    mid_hours : DatetimeIndex
        The instants, half an hour after the start of each row, in the site's clock.
    zenith_deg, apparent_zenith_deg, azimuth_deg : ndarray
        Position of the sun, without and with refraction, azimuth from north through east [deg].
    cos_zenith : ndarray
        Cosine of the zenith, 0 while the sun is down.
    hour_angle_deg : ndarray
        0 at solar noon, negative before [deg].
    sunset_angle_deg : ndarray
        Hour angle of the day's sunset [deg].
    extra_normal_w_per_m2, extra_horizontal_w_per_m2 : ndarray
        Extraterrestrial irradiance on a plane normal to the rays, and on a horizontal plane [W/m2].
    """

    mid_hours: pd.DatetimeIndex
    zenith_deg: FloatArray
    apparent_zenith_deg: FloatArray
    azimuth_deg: FloatArray
    cos_zenith: FloatArray
    hour_angle_deg: FloatArray
    sunset_angle_deg: FloatArray
    extra_normal_w_per_m2: FloatArray
    extra_horizontal_w_per_m2: FloatArray


def mid_hour_sun(location: Location, calendar: Calendar) -> Sun:
    """Compute the sun's position for the 8,760 hours of the calendar's year.

    Parameters
    ----------
    location : Location
        Latitude, longitude, altitude, and the clock's offset to UTC.
    calendar : Calendar
        Its year gives the dates; always the whole year, whatever `n_days` says.

    Returns
    -------
    Sun
        Arrays of shape (8760,).

    Notes
    -----
    The position is pvlib's (NREL SPA); an hour is represented by its middle, so a row that the sun shares with the
    night counts the sun only when it is up in the middle.
    """
    clock = timezone(timedelta(hours=location.utc_offset_hours))
    start = pd.Timestamp(year=calendar.year, month=1, day=1, minute=30, tz=clock)
    mid_hours = pd.date_range(start, periods=HOURS_PER_YEAR, freq="h")
    position = pvlib.solarposition.get_solarposition(
        mid_hours, location.latitude_deg, location.longitude_deg, altitude=location.altitude_m
    )
    zenith_deg = position["zenith"].to_numpy()
    cos_zenith = np.clip(np.cos(np.radians(zenith_deg)), 0.0, None)
    extra_normal = pvlib.irradiance.get_extra_radiation(mid_hours).to_numpy()
    day_of_year = mid_hours.dayofyear.to_numpy()
    declination = pvlib.solarposition.declination_spencer71(day_of_year)
    sunset = np.arccos(np.clip(-np.tan(np.radians(location.latitude_deg)) * np.tan(declination), -1.0, 1.0))
    equation_of_time_minutes = position["equation_of_time"].to_numpy()
    return Sun(
        mid_hours=mid_hours,
        zenith_deg=zenith_deg,
        apparent_zenith_deg=position["apparent_zenith"].to_numpy(),
        azimuth_deg=position["azimuth"].to_numpy(),
        cos_zenith=cos_zenith,
        hour_angle_deg=pvlib.solarposition.hour_angle(mid_hours, location.longitude_deg, equation_of_time_minutes),
        sunset_angle_deg=np.degrees(sunset),
        extra_normal_w_per_m2=extra_normal,
        extra_horizontal_w_per_m2=extra_normal * cos_zenith,
    )
