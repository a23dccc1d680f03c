"""How much a battery must be helped by the grid to last until PV refills it, on a path of load, cars and PV.

A path is what the hours from now on may lack: load and cars less PV, hour by hour until the refill
(`site.expectations.Expectations.refill_hour`). It is made from what is metered and forecast now, and is more or less
careful (`Caution`):

    load_k = mean + std (z rho^k + load_std sqrt(1 - rho^(2 k)))          z: standardised residual of the last hour
    cars_k = the mean; what the connected cars need in the hour that begins now is added apart
    pv_k   = forecast (1 - pv_error s sqrt(k))                            within the forecast, k hours ahead
           = mean x today's ratio of forecast to mean x pv_beyond         beyond it

rho is the autocorrelation of the load's residual, s the standard deviation of the forecast's relative error. The ratio
holds for the day of the forecast; the next day counts with its mean.

`grid_level` finds the least constant import with which the battery lasts, `least_import` the least import of this hour
with which it still can last when no later hour imports more than a cap.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from iquitos_citylearn.env.kernels import inner_kernel, kernel
from iquitos_citylearn.site.clock import HOURS_PER_DAY
from iquitos_citylearn.site.expectations import Expectations
from iquitos_citylearn.site.model import FloatArray

Path = NDArray[np.float32]

TELLING_SHARE = 0.0125
"""Share of a mean day's PV that the hours of the forecast must have for it to tell what kind of day it is."""
BEST_RATIO = 2.0
"""Largest ratio of forecast to mean that counts."""
SHORT_KWH = 1e-6
"""Shortage that counts as none [kWh]."""
HALVINGS = 20
"""Steps of bisection: the last one is a thousandth of a kW for levels up to a MW."""


class Caution(NamedTuple):
    """How careful a path is: load in standard deviations, PV within the forecast in its own, PV beyond as a factor."""

    load_std: float
    pv_error: float
    pv_beyond: float


EXPECTED = Caution(0.0, 0.0, 1.0)
CAREFUL = Caution(1.0, 0.0, 1.0)
"""The paths that observations tell of."""


class Store(NamedTuple):
    """A battery with flat efficiency, as paths need it.

    Attributes
    ----------
    min_kwh, capacity_kwh : float
        Energies that it holds at least and at most [kWh].
    power_kw : float
        Power, on the site's side [kW].
    root : float
        One-way efficiency.
    """

    min_kwh: float
    capacity_kwh: float
    power_kw: float
    root: float


@inner_kernel
def hours_to_refill(refill_hour: int, hour: int) -> int:
    """Return how many hours the battery has to last, 1 to 24, from the hour of the day that begins now."""
    return (refill_hour - hour - 1) % HOURS_PER_DAY + 1


@kernel()
def write_path(
    out: Path,
    n_hours: int,
    expected: Expectations,
    caution: Caution,
    hour: int,
    z: float,
    forecast_kw: FloatArray,
    error_std: float,
) -> None:
    """Write what each of the next hours may lack [kWh], PV beyond load and cars negative; the first without cars.

    Parameters
    ----------
    out : ndarray of float32, shape (24,)
        Where the first `n_hours` go.
    hour : int
        Hour of the day that begins now.
    z : float
        Standardised residual of the load metered in the hour before.
    forecast_kw : ndarray, shape (n_forecast,)
        PV forecast from this hour on [kW].
    error_std : float
        Relative standard deviation of its error an hour ahead.
    """
    n_forecast = forecast_kw.shape[0]
    of_day = day_ratio(expected, hour, forecast_kw)
    decay, spread_left = 1.0, 1.0
    for k in range(n_hours):
        h = (hour + k) % HOURS_PER_DAY
        decay *= expected.load_lag1
        spread_left *= expected.load_lag1 * expected.load_lag1
        residual = z * decay + caution.load_std * np.sqrt(max(0.0, 1.0 - spread_left))
        lacking = expected.load_mean_kw[h] + expected.load_std_kw[h] * residual
        if k > 0:
            lacking += expected.cars_mean_kw[h]
        if k < n_forecast:
            lacking -= forecast_kw[k] * max(0.0, 1.0 - caution.pv_error * error_std * np.sqrt(k + 1.0))
        else:
            ratio = of_day if hour + k < HOURS_PER_DAY else 1.0
            lacking -= expected.pv_mean_kw[h] * ratio * caution.pv_beyond
        out[k] = lacking


@inner_kernel
def day_ratio(expected: Expectations, hour: int, forecast_kw: FloatArray) -> float:
    """Return the ratio of forecast to mean over the hours of the forecast; 1 where they say little of the day."""
    forecast, mean = 0.0, 0.0
    for k in range(forecast_kw.shape[0]):
        forecast += forecast_kw[k]
        mean += expected.pv_mean_kw[(hour + k) % HOURS_PER_DAY]
    if mean <= TELLING_SHARE * expected.pv_mean_kw.sum():
        return 1.0
    return min(BEST_RATIO, forecast / mean)


@inner_kernel
def stored_after(store: Store, stored_kwh: float, request_kwh: float) -> float:
    """Return the energy after an hour in which the battery is asked for an energy, charging positive [kWh]."""
    if request_kwh >= 0.0:
        return min(stored_kwh + min(request_kwh, store.power_kw) * store.root, store.capacity_kwh)
    given = min(-request_kwh, store.power_kw, max(stored_kwh - store.min_kwh, 0.0) * store.root)
    return stored_kwh - given / store.root


@inner_kernel
def exchanged(store: Store, before_kwh: float, after_kwh: float) -> float:
    """Return the energy on the site's side that changes the stored energy so, charging positive [kWh]."""
    change = after_kwh - before_kwh
    return change / store.root if change >= 0.0 else change * store.root


@inner_kernel
def shortage_kwh(
    store: Store, stored_kwh: float, path: Path, n_hours: int, cars_kw: float, import_kw: float, later_kw: float
) -> float:
    """Return what the battery can't give on a path with an import in this hour and another one in later hours [kWh].

    Parameters
    ----------
    stored_kwh : float
        Energy in the battery [kWh].
    path : ndarray of float32, shape (24,)
        What the hours lack (`write_path`), of which the first `n_hours` count.
    cars_kw : float
        What the connected cars need in the hour that begins now [kW].
    import_kw, later_kw : float
        Import in this hour and in each later one [kW].
    """
    short = 0.0
    for k in range(n_hours):
        request = (import_kw - cars_kw if k == 0 else later_kw) - path[k]
        after = stored_after(store, stored_kwh, request)
        if request < 0.0:
            short += max(0.0, exchanged(store, stored_kwh, after) - request)
        stored_kwh = after
    return short


@inner_kernel
def lasts(
    store: Store, stored_kwh: float, path: Path, n_hours: int, cars_kw: float, import_kw: float, later_kw: float
) -> bool:
    """Return whether nothing is short; the parameters of `shortage_kwh`, which this leaves at the first shortage."""
    for k in range(n_hours):
        request = (import_kw - cars_kw if k == 0 else later_kw) - path[k]
        after = stored_after(store, stored_kwh, request)
        if request < 0.0 and exchanged(store, stored_kwh, after) - request > SHORT_KWH:
            return False
        stored_kwh = after
    return True


@inner_kernel
def grid_level(store: Store, stored_kwh: float, path: Path, n_hours: int, cars_kw: float) -> float:
    """Return the least constant import with which the battery lasts, 0 at least [kW]."""
    if lasts(store, stored_kwh, path, n_hours, cars_kw, 0.0, 0.0):
        return 0.0
    low = 0.0
    high: float = path[0] + cars_kw
    for k in range(1, n_hours):
        high = max(high, path[k])
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        if lasts(store, stored_kwh, path, n_hours, cars_kw, middle, middle):
            high = middle
        else:
            low = middle
    return high


@inner_kernel
def least_import(store: Store, stored_kwh: float, path: Path, n_hours: int, cars_kw: float, cap_kw: float) -> float:
    """Return the least import of this hour with which the battery lasts under a cap; negative if it can't [kW]."""
    if lasts(store, stored_kwh, path, n_hours, cars_kw, 0.0, cap_kw):
        return 0.0
    if not lasts(store, stored_kwh, path, n_hours, cars_kw, cap_kw, cap_kw):
        return -1.0
    low, high = 0.0, cap_kw
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        if lasts(store, stored_kwh, path, n_hours, cars_kw, middle, cap_kw):
            high = middle
        else:
            low = middle
    return high


class LevelRule(NamedTuple):
    """Constants of the rule `level` (`environment.level` in params.yaml).

    Attributes
    ----------
    floor_kw : float
        Import that is never avoided [kW].
    peak_share : float
        Share of the month's highest import that may be used again before the even spread.
    mild, cautious : Caution
        Paths of the two branches.
    """

    floor_kw: float
    peak_share: float
    mild: Caution
    cautious: Caution


@inner_kernel
def level_target(
    rule: LevelRule,
    store: Store,
    stored_kwh: float,
    peak_kw: float,
    mild: Path,
    cautious: Path,
    n_hours: int,
    cars_kw: float,
) -> float:
    """Return the import target of the rule `level` [kW].

    If the battery lasts on the mild path with no later hour above max(floor, share of the month's peak), it imports the
    least that keeps it so, most often nothing: waiting is free as long as a low import can still catch up. Else it
    spreads the missing energy of the cautious path evenly.

    Parameters
    ----------
    stored_kwh, peak_kw : float
        Energy in the battery [kWh], and highest import of the month so far [kW].
    mild, cautious : ndarray of float32, shape (24,)
        The paths, of which the first `n_hours` count.
    cars_kw : float
        What the connected cars need in the hour that begins now [kW].
    """
    target: float = deferred_import(rule, store, stored_kwh, peak_kw, mild, n_hours, cars_kw)
    if target < 0.0:
        target = even_import(rule, store, stored_kwh, peak_kw, cautious, n_hours, cars_kw)
    return target


@inner_kernel
def deferred_import(
    rule: LevelRule, store: Store, stored_kwh: float, peak_kw: float, mild: Path, n_hours: int, cars_kw: float
) -> float:
    """Return the first branch of `level_target`, negative where the battery does not last [kW]."""
    cap = max(rule.floor_kw, rule.peak_share * peak_kw)
    least: float = least_import(store, stored_kwh, mild, n_hours, cars_kw, cap)
    return least


@inner_kernel
def even_import(
    rule: LevelRule, store: Store, stored_kwh: float, peak_kw: float, cautious: Path, n_hours: int, cars_kw: float
) -> float:
    """Return the second branch of `level_target` [kW]."""
    cap = max(rule.floor_kw, rule.peak_share * peak_kw)
    even: float = max(cap, grid_level(store, stored_kwh, cautious, n_hours, cars_kw))
    return even
