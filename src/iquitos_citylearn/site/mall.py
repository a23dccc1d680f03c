"""A generated year of the mall's load that meets stated energy, peak, shape and noise together."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, logit

from iquitos_citylearn.params import Calendar, MallParams
from iquitos_citylearn.site.autoregressive import ar1
from iquitos_citylearn.site.clock import HOURS_PER_DAY, HOURS_PER_YEAR, year_hours
from iquitos_citylearn.site.model import FloatArray, IntArray

SUNDAY = 6
SUNDAY_MORNING_HOURS = (7, 12)
SUNDAY_MORNING_SHIFT = -0.3
"""On Sundays from 7 to 12 h the load is lower: shift of its logit, about 25 kW at the default site (our inference)."""
LOAD_DECIMALS = 6
FIT_TOLERANCE = 1e-11
"""Largest relative error of an hourly mean, a monthly energy or the noise at which a fit is done."""
MAX_SWEEPS = 300
SMALLEST_NOISE_SHARE = 1e-3
"""Share of the residual's variance that is taken for the noise's at least, while a fit is under way."""
BOUND_OVER_PEAK = (1.0 + 1e-6, 100.0)
"""Upper bounds of the load that are tried, over the peak: from hardly above it to nearly none."""
EVENT_HOURS = 3.0
"""Width of the busiest hours where a peak is too high for the noise alone (standard deviation of a bell)."""
MAX_EVENT_HEIGHT = 0.7
"""Largest height of these hours, as a logarithm: twice the load."""


@dataclass(frozen=True, kw_only=True)
class LoadTargets:
    """What a year of load must meet; hours of day and months as index arrays of shape (8760,).

    Attributes
    ----------
    hour, month : ndarray of int64
        Hour of day (0-23) and month (0-11) of each row.
    hourly_mean_kw : ndarray, shape (24,)
        Mean load by hour of day [kW].
    monthly_energy_kwh : ndarray, shape (12,)
        Energy by month [kWh].
    residual_std_kw : float
        Standard deviation around the hourly means [kW].
    """

    hour: IntArray
    month: IntArray
    hourly_mean_kw: FloatArray
    monthly_energy_kwh: FloatArray
    residual_std_kw: float


def generate_load(mall: MallParams, calendar: Calendar, rng: np.random.Generator) -> FloatArray:
    """Draw a year of the mall's load.

    Parameters
    ----------
    mall : MallParams
        Energy and peak of the year; hourly means, monthly energies and noise. The three shapes are scaled together to
        the energy of the year, so a load four times as large needs only `annual_energy_kwh` and `peak_kw`.
    calendar : Calendar
        Its year gives months and Sundays; always the whole year is drawn.
    rng : numpy.random.Generator
        Source of all randomness.

    Returns
    -------
    ndarray, shape (8760,)
        Load of each hour, rounded to 6 decimals, above 0 [kWh]. Its largest value is `peak_kw` (to 6 decimals), its
        sum `annual_energy_kwh` to the rounding; so are the means by hour of day and the energies by month.

    Raises
    ------
    ValueError
        When peak, energy, shape and noise contradict each other; the message names the field.

    Notes
    -----
    load[t] = B expit(a[hour] + b[month] + c sunday_morning[t] + s z[t]), z an AR(1) process. The logistic function
    keeps the load between 0 and the bound B. For a given B, the offsets a and b and the size s of the noise are fitted
    in turn until hourly means, monthly energies and residual spread are met; then B is solved for: the smaller it is,
    the more the highest hours are pressed together. Where the noise does not reach the peak even without a bound, the
    hours around the highest one are lifted (a bell, its height solved for in place of B). The months bear a part of
    the residual's variance and autocovariance, and the noise is larger in some hours than in others; what is left
    gives the autocorrelation of z.
    """
    hours = year_hours(calendar)
    hour, month = hours.hour.to_numpy().astype(np.int64), hours.month.to_numpy().astype(np.int64) - 1
    targets = _targets(mall, hour, month)
    noise = ar1(rng, HOURS_PER_YEAR, _noise_lag1(mall, targets))
    first, end = SUNDAY_MORNING_HOURS
    sunday_morning = (hours.dayofweek.to_numpy() == SUNDAY) & (hour >= first) & (hour < end)
    shift = SUNDAY_MORNING_SHIFT * sunday_morning
    load_kwh = np.round(_meet_peak(mall.peak_kw, targets, shift, noise), LOAD_DECIMALS)
    load_kwh[np.argmax(load_kwh)] = round(mall.peak_kw, LOAD_DECIMALS)
    return load_kwh


def fit_load(bound_kw: float, targets: LoadTargets, shift: FloatArray, noise: FloatArray) -> FloatArray:
    """Fit offsets and size of the noise of a load below a bound.

    Parameters
    ----------
    bound_kw : float
        Upper bound of the load, above every hourly mean [kW].
    targets : LoadTargets
        What is met.
    shift, noise : ndarray, shape (8760,)
        Fixed shift of the logit, and the noise to be scaled.

    Returns
    -------
    ndarray, shape (8760,)
        The load, unrounded [kWh].

    Raises
    ------
    ValueError
        When no fit is found.
    """
    hour, month = targets.hour, targets.month
    hour_energy_kwh = targets.hourly_mean_kw * np.bincount(hour)
    by_hour, by_month = logit(targets.hourly_mean_kw / bound_kw), np.zeros(len(targets.monthly_energy_kwh))
    size = targets.residual_std_kw / float(np.mean(targets.hourly_mean_kw))
    variance_of_months = _variance_of_months(targets)
    for _ in range(MAX_SWEEPS):
        load = bound_kw * expit(by_hour[hour] + by_month[month] + shift + size * noise)
        by_hour += _newton_step(load, bound_kw, hour, hour_energy_kwh)
        load = bound_kw * expit(by_hour[hour] + by_month[month] + shift + size * noise)
        by_month += _newton_step(load, bound_kw, month, targets.monthly_energy_kwh)
        load = bound_kw * expit(by_hour[hour] + by_month[month] + shift + size * noise)
        error, spread = _errors(load, targets, hour_energy_kwh)
        if max(error, abs(spread - 1)) < FIT_TOLERANCE:
            return np.asarray(load)
        size *= _noise_correction(spread, variance_of_months / targets.residual_std_kw**2)
    raise ValueError(
        f"mall: no load below {bound_kw:.6g} kW has this hourly_mean_kw, monthly_energy_mwh and residual_std_kw "
        f"(residual {spread * targets.residual_std_kw:.4g} kW instead of {targets.residual_std_kw:.4g}): months, "
        f"Sundays and the peak need a part of it, and the bound leaves room for no more than fits below it"
    )


def residual(load_kwh: FloatArray) -> FloatArray:
    """Return what is left of whole days of load around their means by hour of day, in the same shape [kWh]."""
    by_day = load_kwh.reshape(-1, HOURS_PER_DAY)
    return np.asarray((by_day - by_day.mean(axis=0)).ravel())


def _targets(mall: MallParams, hour: IntArray, month: IntArray) -> LoadTargets:
    hourly_mean_kw, monthly_mwh = np.asarray(mall.hourly_mean_kw), np.asarray(mall.monthly_energy_mwh)
    scale = mall.annual_energy_kwh / float(hourly_mean_kw[hour].sum())
    targets = LoadTargets(
        hour=hour,
        month=month,
        hourly_mean_kw=hourly_mean_kw * scale,
        monthly_energy_kwh=monthly_mwh * (mall.annual_energy_kwh / monthly_mwh.sum()),
        residual_std_kw=mall.residual_std_kw * scale,
    )
    highest_kw = float(targets.hourly_mean_kw.max())
    if mall.peak_kw <= highest_kw:
        raise ValueError(
            f"mall.peak_kw is {mall.peak_kw:g}; it must be above the highest hourly mean, {highest_kw:g} kW "
            f"(mall.hourly_mean_kw scaled to mall.annual_energy_kwh)"
        )
    return targets


def _noise_lag1(mall: MallParams, targets: LoadTargets) -> float:
    """Return the autocorrelation that is left for the noise when the months bear their part."""
    variance_of_months = _variance_of_months(targets)
    variance = targets.residual_std_kw**2
    if variance <= variance_of_months:
        raise ValueError(
            f"mall.residual_std_kw is {mall.residual_std_kw:g}; the months alone differ by "
            f"{np.sqrt(variance_of_months / variance) * mall.residual_std_kw:.3g} kW, so it must be above that"
        )
    lag1 = (mall.residual_lag1 * variance - variance_of_months) / (variance - variance_of_months)
    lag1 /= _likeness_of_hours(targets.hourly_mean_kw, mall.peak_kw)
    if abs(lag1) >= 1:
        raise ValueError(
            f"mall.residual_lag1 is {mall.residual_lag1:g}; beside the differences between months and hours it leaves "
            f"{lag1:.2f} for the noise, which must be above -1 and below 1"
        )
    return lag1


def _variance_of_months(targets: LoadTargets) -> float:
    """Return the variance of the months' mean power [kW2]."""
    n_hours = np.bincount(targets.month)
    deviation_kw = targets.monthly_energy_kwh / n_hours - targets.monthly_energy_kwh.sum() / HOURS_PER_YEAR
    return float(n_hours @ deviation_kw**2) / HOURS_PER_YEAR


def _noise_correction(spread: float, share_of_months: float) -> float:
    """Return the factor on the size of the noise; the months' share of the variance does not move with it."""
    ratio = (1 - share_of_months) / max(spread**2 - share_of_months, SMALLEST_NOISE_SHARE)
    return float(np.sqrt(np.clip(ratio, 0.25, 4.0)))


def _likeness_of_hours(hourly_mean_kw: FloatArray, peak_kw: float) -> float:
    """Return the autocorrelation of the noise's size over the day: neighbouring hours are not equally noisy."""
    slope = hourly_mean_kw * (1 - hourly_mean_kw / peak_kw)
    return float(slope @ np.roll(slope, -1) / (slope @ slope))


def _meet_peak(peak_kw: float, targets: LoadTargets, shift: FloatArray, noise: FloatArray) -> FloatArray:
    """Return the load whose highest hour is the peak: through its bound, or through its busiest hours [kWh]."""

    def under_bound(log_ratio: float) -> FloatArray:
        return fit_load(peak_kw * float(np.exp(log_ratio)), targets, shift, noise)

    low, high = np.log(BOUND_OVER_PEAK)
    unbounded = under_bound(high)
    if unbounded.max() >= peak_kw:
        return under_bound(_root(lambda ratio: under_bound(ratio).max() - peak_kw, low, high))
    distance = np.arange(HOURS_PER_YEAR) - np.argmax(unbounded)
    event = np.exp(-0.5 * (distance / EVENT_HOURS) ** 2)

    def with_event(height: float) -> FloatArray:
        return fit_load(peak_kw * BOUND_OVER_PEAK[1], targets, shift + height * event, noise)

    largest_kw = float(with_event(MAX_EVENT_HEIGHT).max())
    if largest_kw < peak_kw:
        raise ValueError(
            f"mall.peak_kw is {peak_kw:g}; a load with this hourly_mean_kw and residual_std_kw (scaled to "
            f"mall.annual_energy_kwh) peaks at {largest_kw:.6g} kW at most"
        )
    return with_event(_root(lambda height: with_event(height).max() - peak_kw, 0.0, MAX_EVENT_HEIGHT))


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    return float(brentq(function, low, high, xtol=1e-13, rtol=1e-13))


def _newton_step(load: FloatArray, bound_kw: float, group: IntArray, target_kwh: FloatArray) -> FloatArray:
    """Return the step of each group's offset towards its energy; d load / d offset = load (1 - load / bound)."""
    slope = load * (1 - load / bound_kw)
    return np.asarray((target_kwh - np.bincount(group, load)) / np.bincount(group, slope))


def _errors(load: FloatArray, targets: LoadTargets, hour_energy_kwh: FloatArray) -> tuple[float, float]:
    """Return the largest relative error of an energy, and the residual's spread over its target."""
    hour_error = np.abs(np.bincount(targets.hour, load) / hour_energy_kwh - 1).max()
    month_error = np.abs(np.bincount(targets.month, load) / targets.monthly_energy_kwh - 1).max()
    return float(max(hour_error, month_error)), float(residual(load).std() / targets.residual_std_kw)
