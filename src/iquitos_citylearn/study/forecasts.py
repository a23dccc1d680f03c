"""What a better PV forecast is worth: the errors of the forecasters, and what policies capture with each.

All of it on the twin over the evaluation years; nothing is certified by CityLearn. The rule's constants are those of
params.yaml under every forecast.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from iquitos_citylearn.env.forecast import FORECASTERS, forecast_pv
from iquitos_citylearn.params import EnvironmentParams
from iquitos_citylearn.site.clock import HOURS_PER_DAY
from iquitos_citylearn.site.model import FloatArray
from iquitos_citylearn.study.drawn_case import DrawnCase

POLICIES = ("level", "mpc", "rollout")
FORECASTS: Mapping[str, Mapping[str, Any]] = {
    **{name: {"pv_forecast": name} for name in FORECASTERS},
    "perfect, 24 h": {"pv_forecast": "noisy_truth", "forecast_error_std": 0.0, "forecast_hours": HOURS_PER_DAY},
}
"""Forecasts by name, as keys of `environment` that differ."""


def forecast_errors(case: DrawnCase) -> pd.DataFrame:
    """Return the error of every forecaster by lead time, over the daylight hours of the evaluation years.

    Returns
    -------
    DataFrame
        `forecast`, `hours_ahead` (1 for the hour that begins) and `rmse_share`: root mean square error over the mean PV
        of daylight hours, those with PV in the mean of the training years.
    """
    return pd.DataFrame(
        [
            {"forecast": name, "hours_ahead": ahead + 1, "rmse_share": share}
            for name in FORECASTERS
            for ahead, share in enumerate(_rmse_share_by_lead(case, name))
        ]
    )


def captured_by_forecast(case: DrawnCase) -> pd.DataFrame:
    """Return what policies capture with every forecast: `policy`, `forecast` and the columns of `DrawnCase.judge`."""
    return pd.DataFrame(
        [
            {"policy": policy, "forecast": forecast, **figures}
            for policy in POLICIES
            for forecast, changes in FORECASTS.items()
            for figures in case.judge_named(policy, _environment(case, changes))
        ]
    )


def _rmse_share_by_lead(case: DrawnCase, forecaster: str) -> FloatArray:
    environment = _environment(case, {"pv_forecast": forecaster, "forecast_hours": HOURS_PER_DAY})
    mean_kw = case.expectations.pv_mean_kw
    squares, counts = np.zeros(HOURS_PER_DAY), np.zeros(HOURS_PER_DAY)
    for site, key in zip(case.sites, case.forecast_keys, strict=True):
        rng = np.random.default_rng([environment.forecast_seed, key])
        hour, n_steps = site.hour - 1, site.n_steps
        forecast = forecast_pv(site.pv_kwh, hour, environment, case.expectations, rng)
        light = mean_kw[hour] > 0.0
        for ahead in range(HOURS_PER_DAY):
            error = forecast[: n_steps - ahead, ahead] - site.pv_kwh[ahead:]
            squares[ahead] += float((error[light[ahead:]] ** 2).sum())
            counts[ahead] += int(light[ahead:].sum())
    daylight = np.concatenate([site.pv_kwh[mean_kw[site.hour - 1] > 0.0] for site in case.sites])
    return np.asarray(np.sqrt(squares / counts) / daylight.mean(), dtype=np.float64)


def _environment(case: DrawnCase, changes: Mapping[str, Any]) -> EnvironmentParams:
    return case.params.environment.model_copy(update=dict(changes))
