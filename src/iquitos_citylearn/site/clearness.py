"""Clearness of the sky, seen in the PV that was metered, and how long it lasts.

The clearness ratio of a moment is the PV energy of the last daylight hours over their mean in the training years. A
clear morning makes a clear noon likely, and says little of tomorrow: the share of the ratio's departure from 1 that is
left after some hours is fitted by least squares on the training years (damped persistence).
"""

from collections.abc import Sequence

import numpy as np

from iquitos_citylearn.site.clock import HOURS_PER_DAY
from iquitos_citylearn.site.model import FloatArray, IntArray, Site

CLEARNESS_HOURS = 2
"""Daylight hours that the ratio is taken over."""


def clearness_ratio(pv_kwh: FloatArray, hour: IntArray, pv_mean_kw: FloatArray) -> FloatArray:
    """Return the clearness ratio at the start of each step, 1 before the first daylight hour; shape (n_steps,).

    Parameters
    ----------
    pv_kwh : ndarray, shape (n_steps,)
        PV energy [kWh]; only what is metered before a step counts.
    hour : ndarray of int64, shape (n_steps,)
        Hour of the day that begins with each step.
    pv_mean_kw : ndarray, shape (24,)
        Mean PV by hour of the day [kW]; it is daylight where it is positive.
    """
    mean = pv_mean_kw[hour]
    light = mean > 0.0
    n_before: IntArray = np.cumsum(light, dtype=np.int64) - light
    first = np.maximum(n_before - CLEARNESS_HOURS, 0)
    energy, expected = (np.concatenate([[0.0], np.cumsum(values[light])]) for values in (pv_kwh, mean))
    metered, usual = energy[n_before] - energy[first], expected[n_before] - expected[first]
    return np.divide(metered, usual, out=np.ones(len(mean)), where=usual > 0.0)


def fit_clearness_kept(sites: Sequence[Site], pv_mean_kw: FloatArray) -> FloatArray:
    """Return which share of the ratio's departure from 1 is left some hours ahead, by least squares.

    Parameters
    ----------
    sites : sequence of Site
        The training years.
    pv_mean_kw : ndarray, shape (24,)
        Mean PV by hour of the day in these years [kW].

    Returns
    -------
    ndarray, shape (24, 24)
        By hour of the day that begins, and hours ahead; 0 where the hour ahead has no daylight.
    """
    shape = HOURS_PER_DAY, HOURS_PER_DAY
    covariance, variance = np.zeros(shape), np.zeros(shape)
    for site in sites:
        hour = site.hour - 1
        departure = clearness_ratio(site.pv_kwh, hour, pv_mean_kw) - 1.0
        mean = pv_mean_kw[hour]
        surprise = np.divide(site.pv_kwh, mean, out=np.ones_like(mean), where=mean > 0.0) - 1.0
        for ahead in range(min(HOURS_PER_DAY, site.n_steps)):
            now = slice(0, site.n_steps - ahead)
            weight = mean[ahead:] > 0.0
            covariance[:, ahead] += _by_hour(hour[now], departure[now] * surprise[ahead:])
            variance[:, ahead] += _by_hour(hour[now], departure[now] ** 2 * weight)
    return np.divide(covariance, variance, out=np.zeros(shape), where=variance > 0.0)


def _by_hour(hour: IntArray, values: FloatArray) -> FloatArray:
    return np.asarray(np.bincount(hour, values, minlength=HOURS_PER_DAY), dtype=np.float64)
