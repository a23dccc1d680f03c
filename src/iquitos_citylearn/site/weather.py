"""A generated year of humid tropical weather with stated statistics."""

import numpy as np
import pvlib
from scipy.optimize import brentq
from scipy.special import expit, logit
from scipy.stats import beta, norm

from iquitos_citylearn.params import Calendar, Location, WeatherParams
from iquitos_citylearn.site.autoregressive import ar1
from iquitos_citylearn.site.clock import HOURS_PER_DAY, HOURS_PER_YEAR
from iquitos_citylearn.site.model import FloatArray, Weather
from iquitos_citylearn.site.sun import Sun, mid_hour_sun
from iquitos_citylearn.site.temperature import generate_temperature, humidity_from_temperature

DAYS_PER_YEAR = HOURS_PER_YEAR // HOURS_PER_DAY
DECIMALS = 3
"""Weather is rounded, so that files hold it exactly."""

DAILY_CLEARNESS_BOUNDS = (0.03, 0.68)
"""Darkest and clearest day; a measured year has 0.09 to 0.65."""
HOURLY_CLEARNESS_MAX = 0.75
"""Clearest hour; a measured year has 0.74."""
CLEARNESS_MEAN_TOLERANCE = 0.02
"""How far `clearness_mean` may be from what the monthly irradiation implies."""
HOURLY_NOISE_STD = 0.85
HOURLY_NOISE_LAG1 = 0.80
"""Passing clouds: noise on the logit of the hourly clearness, fitted to the structure of a measured year."""
BOLAND_SLOPE = 6.22
BOLAND_CENTRE = 0.445
"""Diffuse share over clearness, fitted to a measured year (41 % diffuse; pvlib's 8.645 and 0.613 give 67 %)."""
MIST_HOURS = 0.90
"""Time after sunrise in which morning mist lifts, fitted to the first two hours of sun of a measured year."""
MONTH_SHIFT_BOUND = 4.0
DAY_SHIFT_BOUND = 30.0
BISECTION_STEPS = 60


def generate_weather(
    params: WeatherParams, location: Location, calendar: Calendar, rng: np.random.Generator
) -> Weather:
    """Draw a year of hourly weather.

    Parameters
    ----------
    params : WeatherParams
        Statistics: irradiation by month, daily clearness, air temperature.
    location : Location
        Place and clock.
    calendar : Calendar
        Its year gives the dates; always the whole year is drawn.
    rng : numpy.random.Generator
        Source of all randomness; the same state gives the same bytes.

    Returns
    -------
    Weather
        Arrays of shape (8760,), rows that start on the hour, rounded to 3 decimals.

    Raises
    ------
    ValueError
        When the statistics contradict each other or the sun of the place; the message names the field.

    Notes
    -----
    Irradiation by month is met by every draw (to the rounding); days and hours differ between draws. From months to
    hours: the clearness of a day is a beta variable whose normal score is an AR(1) process; a day's clearness is
    spread over its hours by the ratio of Collares-Pereira and Rabl, dimmed by mist after sunrise and disturbed by
    AR(1) noise on the logit. Beam and diffuse follow from the global irradiance (Boland).

    References
    ----------
    Collares-Pereira and Rabl (1979), doi:10.1016/0038-092X(79)90100-2; Boland, Scott and Luther (2001),
    doi:10.1002/1099-095X(200103)12:2<103::AID-ENV447>3.0.CO;2-2; Graham and Hollands (1990),
    doi:10.1016/0038-092X(90)90001-P (clearness as a transformed AR(1) process).
    """
    sun = mid_hour_sun(location, calendar)
    clearness = daily_clearness(params, sun, rng)
    ghi = np.round(hourly_ghi(clearness, sun, rng), DECIMALS)
    parts = pvlib.irradiance.boland(ghi, sun.zenith_deg, sun.mid_hours, a_coeff=BOLAND_SLOPE, b_coeff=BOLAND_CENTRE)
    temp_air_c = np.round(generate_temperature(params, clearness, rng), DECIMALS)
    return Weather(
        temp_air_c=temp_air_c,
        relative_humidity_percent=np.round(humidity_from_temperature(temp_air_c), DECIMALS),
        dhi_w_per_m2=np.round(np.asarray(parts["dhi"]), DECIMALS),
        dni_w_per_m2=np.round(np.asarray(parts["dni"]), DECIMALS),
        ghi_w_per_m2=ghi,
    )


def daily_clearness(params: WeatherParams, sun: Sun, rng: np.random.Generator) -> FloatArray:
    """Draw the clearness of every day: global over extraterrestrial horizontal irradiation.

    Parameters
    ----------
    params : WeatherParams
        Irradiation by month; mean, standard deviation and lag-1 autocorrelation of the daily clearness.
    sun : Sun
        The sun in the middle of each hour.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    ndarray, shape (365,)
        Daily clearness; with the sun's extraterrestrial irradiation it gives each month's irradiation.

    Raises
    ------
    ValueError
        When the statistics contradict each other or the sun of the place.

    Notes
    -----
    The months differ in their means and so bear a part of the stated variance and autocovariance; the rest belongs
    to the days within a month. There the standard deviation is proportional to the distance of the month's mean from
    the clearest day: cloudy months vary more, as in a measured year. The normal scores of a month are shifted
    together until its irradiation is met.
    """
    month = sun.mid_hours.month.to_numpy()[::HOURS_PER_DAY] - 1
    extra_kwh_per_m2 = sun.extra_horizontal_w_per_m2.reshape(DAYS_PER_YEAR, HOURS_PER_DAY).sum(axis=1) / 1000
    target_kwh_per_m2 = np.asarray(params.monthly_ghi_kwh_per_m2)
    month_mean = target_kwh_per_m2 / np.bincount(month, weights=extra_kwh_per_m2)
    std, lag1 = _within_months(params, month_mean[month])
    score = ar1(rng, DAYS_PER_YEAR, lag1)
    headroom = DAILY_CLEARNESS_BOUNDS[1] - month_mean
    month_std = std * headroom / np.sqrt((headroom[month] ** 2).mean())
    clearness = np.empty(DAYS_PER_YEAR)
    for index, mean in enumerate(month_mean):
        days = month == index
        shape = _beta_shape(float(mean), float(month_std[index]))
        target = float(target_kwh_per_m2[index])
        clearness[days] = _clearness_of_month(score[days], extra_kwh_per_m2[days], target, shape)
    return clearness


def hourly_ghi(clearness: FloatArray, sun: Sun, rng: np.random.Generator) -> FloatArray:
    """Spread the clearness of each day over its hours, with passing clouds.

    Parameters
    ----------
    clearness : ndarray, shape (365,)
        Daily clearness, below the hourly maximum.
    sun : Sun
        The sun in the middle of each hour.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    ndarray, shape (8760,)
        Global horizontal irradiance [W/m2]; its daily sums are the clearness times the extraterrestrial ones.
    """
    expected = _clearness_ratio(sun) * np.repeat(clearness, HOURS_PER_DAY)
    noise = HOURLY_NOISE_STD * ar1(rng, HOURS_PER_YEAR, HOURLY_NOISE_LAG1)
    score = logit(np.clip(expected / HOURLY_CLEARNESS_MAX, 1e-3, 0.99)) + noise
    score_of_day = score.reshape(DAYS_PER_YEAR, HOURS_PER_DAY)
    extra = sun.extra_horizontal_w_per_m2.reshape(DAYS_PER_YEAR, HOURS_PER_DAY)
    target = clearness * extra.sum(axis=1)
    low, high = np.full(DAYS_PER_YEAR, -DAY_SHIFT_BOUND), np.full(DAYS_PER_YEAR, DAY_SHIFT_BOUND)
    for _ in range(BISECTION_STEPS):
        middle = (low + high) / 2
        total = (HOURLY_CLEARNESS_MAX * expit(score_of_day + middle[:, None]) * extra).sum(axis=1)
        low, high = np.where(total < target, middle, low), np.where(total < target, high, middle)
    return np.asarray(HOURLY_CLEARNESS_MAX * expit(score_of_day + high[:, None]) * extra).ravel()


def _within_months(params: WeatherParams, month_mean_of_day: FloatArray) -> tuple[float, float]:
    """Return standard deviation and lag-1 autocorrelation of the clearness within months."""
    implied = float(month_mean_of_day.mean())
    if abs(implied - params.clearness_mean) > CLEARNESS_MEAN_TOLERANCE:
        raise ValueError(
            f"weather.clearness_mean is {params.clearness_mean}; weather.monthly_ghi_kwh_per_m2 implies {implied:.3f} "
            f"at this place (allowed difference {CLEARNESS_MEAN_TOLERANCE})"
        )
    between = month_mean_of_day - implied
    variance = params.clearness_std**2 - float((between**2).mean())
    if variance <= 0:
        raise ValueError(
            f"weather.clearness_std is {params.clearness_std}; the months alone differ by {between.std():.3f}, so it "
            f"must be above that"
        )
    covariance = params.clearness_lag1 * params.clearness_std**2 - float((between[1:] * between[:-1]).mean())
    variance_lost = _variance_of_month_mean(covariance / variance) * variance
    variance, covariance = variance + variance_lost, covariance + variance_lost
    lag1 = covariance / variance
    if abs(lag1) >= 1:
        raise ValueError(
            f"weather.clearness_lag1 is {params.clearness_lag1}; beside the differences between months it leaves "
            f"{lag1:.2f} for the days within a month, which must be above -1 and below 1"
        )
    return float(np.sqrt(variance)), lag1


def _variance_of_month_mean(lag1: float) -> float:
    """Return the variance of an AR(1) month's mean over that of its days: what fixing a month's sum takes away."""
    bounded = min(max(lag1, -0.9), 0.9)
    return (1 + bounded) / (1 - bounded) / (DAYS_PER_YEAR / 12)


def _beta_shape(mean: float, std: float) -> tuple[float, float]:
    """Return the two shape parameters of a beta distribution on the bounds of the daily clearness."""
    low, high = DAILY_CLEARNESS_BOUNDS
    if not low < mean < high:
        raise ValueError(
            f"weather.monthly_ghi_kwh_per_m2 gives a month a mean clearness of {mean:.3f} at this place; "
            f"allowed {low} to {high}"
        )
    unit_mean, unit_variance = (mean - low) / (high - low), (std / (high - low)) ** 2
    concentration = unit_mean * (1 - unit_mean) / unit_variance - 1
    if concentration <= 0:
        raise ValueError(
            f"weather.clearness_std leaves {std:.3f} for the days of a month of mean clearness {mean:.3f}; at most "
            f"{(high - low) * np.sqrt(unit_mean * (1 - unit_mean)):.3f} fits between {low} and {high}"
        )
    return unit_mean * concentration, (1 - unit_mean) * concentration


def _clearness_of_month(
    score: FloatArray, extra_kwh_per_m2: FloatArray, target_kwh_per_m2: float, shape: tuple[float, float]
) -> FloatArray:
    """Turn normal scores into clearness, shifted together until the month's irradiation is met."""
    low, high = DAILY_CLEARNESS_BOUNDS

    def clearness(shift: float) -> FloatArray:
        return np.asarray(low + (high - low) * beta.ppf(norm.cdf(score + shift), *shape))

    def excess(shift: float) -> float:
        return float(clearness(shift) @ extra_kwh_per_m2) - target_kwh_per_m2

    return clearness(float(brentq(excess, -MONTH_SHIFT_BOUND, MONTH_SHIFT_BOUND, xtol=1e-13, rtol=1e-13)))


def _clearness_ratio(sun: Sun) -> FloatArray:
    """Return the mean ratio of hourly to daily clearness (Collares-Pereira and Rabl), dimmed by morning mist."""
    turn = np.radians(sun.sunset_angle_deg - 60)
    ratio = 0.409 + 0.5016 * np.sin(turn) + (0.6609 - 0.4767 * np.sin(turn)) * np.cos(np.radians(sun.hour_angle_deg))
    hours_of_sun = np.clip((sun.hour_angle_deg + sun.sunset_angle_deg) / 15, 0.0, None)
    return np.asarray(ratio * -np.expm1(-((hours_of_sun / MIST_HOURS) ** 2)))
