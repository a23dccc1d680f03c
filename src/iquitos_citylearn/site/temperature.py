"""Air temperature and humidity of a humid tropical year."""

import numpy as np

from iquitos_citylearn.params import WeatherParams
from iquitos_citylearn.site.autoregressive import ar1
from iquitos_citylearn.site.clock import HOURS_PER_DAY
from iquitos_citylearn.site.model import FloatArray

SUNRISE_HOUR = 6
DAYLIGHT_HOURS = 12
PEAK_DELAY_HOURS = 1.8
NIGHT_DECAY = 2.2

# Fitted to a measured year, as shares of its span (highest less lowest temperature, 12.5 C).
DAILY_RANGE_SHARE = 0.44
RANGE_PER_CLEARNESS = 2.2
DAILY_MEAN_STD_SHARE = 0.08
MEAN_CLEARNESS_CORRELATION = 0.62
SLOW_LAG1 = 0.75
HOURLY_STD_SHARE = 0.035
HOURLY_LAG1 = 0.7
DEW_POINT_DEPRESSION_C = 0.5


def generate_temperature(params: WeatherParams, clearness: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Draw a year of air temperature: warmer days and wider daily ranges where the sky is clear.

    Parameters
    ----------
    params : WeatherParams
        Mean, minimum and maximum of the year.
    clearness : ndarray, shape (n_days,)
        Daily clearness.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    ndarray, shape (24 * n_days,)
        Air temperature in the middle of each hour, within the minimum and maximum [C].

    Notes
    -----
    A day's mean follows its clearness and a slow AR(1) process. Within a day: a sine from sunrise past noon, an
    exponential decay from sunset (Parton and Logan); AR(1) noise by the hour. Steps at sunrise are avoided by letting
    means and ranges run linearly from one day's middle to the next.

    References
    ----------
    Parton and Logan (1981), doi:10.1016/0002-1571(81)90105-9.
    """
    n_days = len(clearness)
    span_c = params.temp_air_max_c - params.temp_air_min_c
    slow = ar1(rng, n_days, SLOW_LAG1)
    hourly_c = HOURLY_STD_SHARE * span_c * ar1(rng, n_days * HOURS_PER_DAY, HOURLY_LAG1)
    score = (clearness - clearness.mean()) / clearness.std()
    day_c = (
        DAILY_MEAN_STD_SHARE
        * span_c
        * (MEAN_CLEARNESS_CORRELATION * score + np.sqrt(1 - MEAN_CLEARNESS_CORRELATION**2) * slow)
    )
    range_c = DAILY_RANGE_SHARE * span_c * np.maximum(1 + RANGE_PER_CLEARNESS * (clearness - clearness.mean()), 0.0)
    hour = np.arange(n_days * HOURS_PER_DAY) + 0.5
    middle = np.arange(n_days) * HOURS_PER_DAY + HOURS_PER_DAY / 2
    shape = np.tile(_daily_shape(), n_days)
    anomaly_c = np.interp(hour, middle, day_c) + np.interp(hour, middle, range_c) * (shape - shape.mean()) + hourly_c
    temp_air_c = params.temp_air_mean_c + anomaly_c - anomaly_c.mean()
    return np.asarray(np.clip(temp_air_c, params.temp_air_min_c, params.temp_air_max_c))


def humidity_from_temperature(temp_air_c: FloatArray) -> FloatArray:
    """Estimate relative humidity from a dew point just below the day's lowest temperature.

    Parameters
    ----------
    temp_air_c : ndarray, shape (24 * n_days,)
        Air temperature [C].

    Returns
    -------
    ndarray, shape (24 * n_days,)
        Relative humidity [%].

    Notes
    -----
    In the humid tropics nights come close to saturation. Magnus formula; nothing physical depends on it.

    References
    ----------
    Alduchov and Eskridge (1996), doi:10.1175/1520-0450(1996)035<0601:IMFAOS>2.0.CO;2.
    """
    coldest_c = temp_air_c.reshape(-1, HOURS_PER_DAY).min(axis=1)
    dew_point_c = np.repeat(coldest_c - DEW_POINT_DEPRESSION_C, HOURS_PER_DAY)
    return np.asarray(100 * np.exp(_magnus(dew_point_c) - _magnus(temp_air_c)))


def _magnus(temp_c: FloatArray) -> FloatArray:
    """Return the exponent of the saturation pressure."""
    return np.asarray(17.625 * temp_c / (243.04 + temp_c))


def _daily_shape() -> FloatArray:
    """Return 24 values from 0 (the coldest) to 1 (the warmest), at the middle of each hour."""
    since_sunrise = (np.arange(HOURS_PER_DAY) + 0.5 - SUNRISE_HOUR) % HOURS_PER_DAY
    length = DAYLIGHT_HOURS + 2 * PEAK_DELAY_HOURS
    day = np.sin(np.pi * since_sunrise / length)
    at_sunset = np.sin(np.pi * DAYLIGHT_HOURS / length)
    night_hours = HOURS_PER_DAY - DAYLIGHT_HOURS
    night = at_sunset * np.exp(-NIGHT_DECAY * (since_sunrise - DAYLIGHT_HOURS) / night_hours)
    return np.where(since_sunrise < DAYLIGHT_HOURS, day, night)
