"""PV forecasts: what agents, rules and controllers see of the hours to come (`environment.pv_forecast`).

A forecaster is a function of one interface (`Forecaster`). Entry [t, k] of what it returns is the forecast, made at the
start of step t, for step t + k.

===========  ========================================================================================  ==============
name         forecast                                                                                  knows the future
===========  ========================================================================================  ==============
noisy_truth  PV x (1 + error), the error's standard deviation `forecast_error_std` x sqrt(hours ahead)  yes
persistence  mean of the hour of the day x clearness ratio of the last daylight hours                   no
fitted       mean x (1 + kept x (ratio - 1)): damped persistence, `kept` by hour and hours ahead        no
===========  ========================================================================================  ==============

Mean, ratio and `kept` are of the training years and of what is metered (`site/clearness.py`).
"""

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from iquitos_citylearn.params import EnvironmentParams
from iquitos_citylearn.site.clearness import clearness_ratio
from iquitos_citylearn.site.clock import HOURS_PER_DAY
from iquitos_citylearn.site.expectations import Expectations
from iquitos_citylearn.site.model import FloatArray, IntArray


class Forecaster(Protocol):
    """Function that forecasts the PV of a year."""

    def __call__(
        self,
        pv_kwh: FloatArray,
        hour: IntArray,
        params: EnvironmentParams,
        expected: Expectations,
        rng: np.random.Generator,
    ) -> FloatArray:
        """Return the forecasts.

        Parameters
        ----------
        pv_kwh : ndarray, shape (n_steps,)
            PV energy of the year [kWh].
        hour : ndarray of int64, shape (n_steps,)
            Hour of the day that begins with each step.
        params : EnvironmentParams
            `forecast_hours`, and `forecast_error_std` of a forecaster that draws its errors.
        expected : Expectations
            From the training years.
        rng : numpy.random.Generator
            Source of drawn errors.

        Returns
        -------
        ndarray, shape (n_steps, forecast_hours)
            Forecasts [kWh]; not negative.
        """


def noisy_truth(
    pv_kwh: FloatArray,
    hour: IntArray,
    params: EnvironmentParams,
    expected: Expectations,
    rng: np.random.Generator,
) -> FloatArray:
    """Draw PV forecasts whose relative error shrinks as the hour comes near.

    The error of the forecast for one hour is a sum of independent normal innovations, one per hour of lead, so that
    successive forecasts of the same hour are revised without drift (a martingale): its standard deviation k hours
    ahead is `forecast_error_std` x sqrt(k). Hours beyond the year take the PV energy of the same hour a day before.
    """
    del hour, expected
    n_steps, n_hours = len(pv_kwh), params.forecast_hours
    innovations = rng.standard_normal((n_steps + n_hours, n_hours))
    error = params.forecast_error_std * np.cumsum(innovations, axis=1)
    target = np.arange(n_steps)[:, None] + np.arange(n_hours)
    days_beyond = np.maximum(0, -(-(target - n_steps + 1) // HOURS_PER_DAY))
    known = np.maximum(target - HOURS_PER_DAY * days_beyond, 0)
    relative = error[target, np.arange(n_hours)]
    return np.asarray(pv_kwh[known] * np.maximum(0.0, 1.0 + relative), dtype=np.float64)


def persistence(
    pv_kwh: FloatArray,
    hour: IntArray,
    params: EnvironmentParams,
    expected: Expectations,
    rng: np.random.Generator,
) -> FloatArray:
    """Forecast the mean of each hour of the day times the clearness ratio of the last daylight hours."""
    del rng
    return _from_ratio(pv_kwh, hour, expected, np.ones((HOURS_PER_DAY, params.forecast_hours)))


def fitted(
    pv_kwh: FloatArray,
    hour: IntArray,
    params: EnvironmentParams,
    expected: Expectations,
    rng: np.random.Generator,
) -> FloatArray:
    """Forecast by persistence damped as the training years were (`Expectations.pv_clearness_kept`)."""
    del rng
    return _from_ratio(pv_kwh, hour, expected, expected.pv_clearness_kept[:, : params.forecast_hours])


def _from_ratio(pv_kwh: FloatArray, hour: IntArray, expected: Expectations, kept: FloatArray) -> FloatArray:
    """Return mean x (1 + kept x (ratio - 1)); `kept` by hour of the day that begins, and hours ahead."""
    departure = clearness_ratio(pv_kwh, hour, expected.pv_mean_kw) - 1.0
    target = (hour[:, None] + np.arange(kept.shape[1])) % HOURS_PER_DAY
    share = np.maximum(0.0, 1.0 + kept[hour] * departure[:, None])
    return np.asarray(expected.pv_mean_kw[target] * share, dtype=np.float64)


FORECASTERS: Mapping[str, Forecaster] = {"noisy_truth": noisy_truth, "persistence": persistence, "fitted": fitted}


def forecast_pv(
    pv_kwh: FloatArray,
    hour: IntArray,
    params: EnvironmentParams,
    expected: Expectations,
    rng: np.random.Generator,
) -> FloatArray:
    """Return the forecasts of the forecaster that `params.pv_forecast` names (`Forecaster`)."""
    return FORECASTERS[params.pv_forecast](pv_kwh, hour, params, expected, rng)
