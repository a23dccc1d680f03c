"""What controllers plan with: the site as an observation shows it, and scenarios of the hours to come.

Scenarios know what the observation tells and the expectations of the training years, and nothing else:

    load   mean of the hour + its std x an autoregressive residual that starts from the load metered last
    cars   what the connected cars need in this hour, then mean and std of the hour
    pv     forecast / (1 + its error), and beyond the forecast the mean of the hour x a factor of the day
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from iquitos_citylearn.env.features import (
    BESS_SOC,
    FIRST_FORECAST,
    FLEET_POWER_NEEDED,
    HOUR_COS,
    HOUR_SIN,
    LOAD_LAST,
)
from iquitos_citylearn.env.kernels import kernel
from iquitos_citylearn.env.lookahead import RESIDUAL_RANGE
from iquitos_citylearn.env.night import SHORT_KWH, Store, day_ratio, exchanged, stored_after
from iquitos_citylearn.env.observation import forecast_hours, site_features
from iquitos_citylearn.env.setting import Setting
from iquitos_citylearn.site.clock import HOURS_PER_DAY
from iquitos_citylearn.site.expectations import Expectations
from iquitos_citylearn.site.model import FloatArray, IntArray

LEAST_FORECAST_FACTOR = 0.4
"""Forecast over PV that a scenario takes for possible at least."""
N_SETS = 997
"""Sets of numbers. The digits of the metered load decide which an hour takes: no hour of the day has its own."""
AFTERNOON_STD = 0.3
"""Standard deviation of the logarithm of the day's PV beyond the forecast."""


class SiteView(NamedTuple):
    """The site in a batch of observations; arrays of shape (batch,).

    Attributes
    ----------
    hour, noise_set : ndarray of int64
        Hour of the day that begins, and which set of numbers its scenarios take (`Noise`).
    residual : ndarray
        Standardised residual of the load metered in the hour before.
    stored_kwh, month_peak_kw, needed_kw : ndarray
        Energy in the battery [kWh], highest import of the month so far (0 where none is followed), and what the
        connected cars can use in this hour up to their need [kW].
    forecast_kw : ndarray, shape (batch, n_forecast)
        PV forecast from this hour on [kW].
    """

    hour: IntArray
    noise_set: IntArray
    residual: FloatArray
    stored_kwh: FloatArray
    month_peak_kw: FloatArray
    needed_kw: FloatArray
    forecast_kw: FloatArray


class SiteReader:
    """Reads the site out of observations.

    Parameters
    ----------
    setting : Setting
        The years, for the scales of the observation.
    """

    def __init__(self, setting: Setting) -> None:
        tables = setting.tables
        self._names = site_features(tables, setting.equipment)
        self._expected = setting.lookahead.expected
        self._capacity_kwh = setting.lookahead.store.capacity_kwh
        self._reference_kw, self._rating_kw = tables.reference_power_kw, tables.total_charger_rating_kw
        self._forecast = slice(FIRST_FORECAST, FIRST_FORECAST + forecast_hours(tables))

    def entry(self, observation: NDArray[np.float32], name: str) -> FloatArray:
        """Return an entry by its name, shape (batch,); 0 where the site does not have it."""
        if name not in self._names:
            return np.zeros(len(observation))
        return observation[:, self._names.index(name)].astype(np.float64)

    def read(self, observation: NDArray[np.float32]) -> SiteView:
        """Return what a batch of observations shows, shape (batch, n_observations)."""
        site = observation[:, : len(self._names)].astype(np.float64)
        angle = np.arctan2(site[:, HOUR_SIN], site[:, HOUR_COS])
        hour = np.rint(angle / (2 * np.pi) * HOURS_PER_DAY).astype(np.int64) % HOURS_PER_DAY
        std = self._expected.load_std_kw[hour - 1]
        surprise = site[:, LOAD_LAST] * self._reference_kw - self._expected.load_mean_kw[hour - 1]
        residual = np.divide(surprise, std, out=np.zeros_like(surprise), where=std > 0.0)
        return SiteView(
            hour=hour,
            noise_set=observation[:, LOAD_LAST].astype(np.float32).view(np.uint32).astype(np.int64) % N_SETS,
            residual=np.clip(residual, -RESIDUAL_RANGE, RESIDUAL_RANGE),
            stored_kwh=site[:, BESS_SOC] * self._capacity_kwh,
            month_peak_kw=self.entry(observation, "month_peak") * self._reference_kw,
            needed_kw=site[:, FLEET_POWER_NEEDED] * self._rating_kw,
            forecast_kw=site[:, self._forecast] * self._reference_kw,
        )


class Noise(NamedTuple):
    """Sets of standard normal numbers for scenarios; S scenarios.

    Attributes
    ----------
    load, cars, pv : ndarray, shape (N_SETS, S, 24)
        By set, scenario, hours ahead.
    day : ndarray, shape (N_SETS, S, 2)
        Of PV beyond the forecast on the day itself, and on the next one.
    """

    load: FloatArray
    cars: FloatArray
    pv: FloatArray
    day: FloatArray


class Scenarios(NamedTuple):
    """Scenarios of the hours to come.

    Attributes
    ----------
    load_kw, cars_kw : ndarray, shape (S, 24)
        Load, and power of the cars [kW].
    pv_kw : ndarray, shape (S, 48)
        PV, as far as a forecast in the last of these hours would look [kW].
    """

    load_kw: FloatArray
    cars_kw: FloatArray
    pv_kw: FloatArray


def no_scenarios(count: int) -> Scenarios:
    """Return scenarios to be filled."""
    hours = (count, HOURS_PER_DAY)
    return Scenarios(np.zeros(hours), np.zeros(hours), np.zeros((count, 2 * HOURS_PER_DAY)))


def draw_noise(n_scenarios: int, seed: int) -> Noise:
    """Return the numbers of the scenarios; every second scenario mirrors the one before it."""
    rng = np.random.default_rng(seed)

    def draw(*shape: int) -> FloatArray:
        half = rng.standard_normal((N_SETS, (n_scenarios + 1) // 2, *shape))
        both = np.stack([half, -half], axis=2).reshape(N_SETS, -1, *shape)
        return np.ascontiguousarray(both[:, :n_scenarios])

    return Noise(draw(HOURS_PER_DAY), draw(HOURS_PER_DAY), draw(HOURS_PER_DAY), draw(2))


@kernel()
def write_scenarios(
    out: Scenarios,
    expected: Expectations,
    error_std: float,
    noise: Noise,
    noise_set: int,
    hour: int,
    residual: float,
    cars_kw: float,
    forecast_kw: FloatArray,
    n_hours: int,
) -> None:
    """Write load, cars and PV of the next hours.

    Parameters
    ----------
    out : Scenarios
        Where they go.
    error_std : float
        Relative standard deviation of the forecast's error an hour ahead.
    noise_set, hour : int
        Set of numbers, and hour of the day that begins.
    residual, cars_kw, forecast_kw
        `SiteView.residual`, `needed_kw` and `forecast_kw` of one observation.
    n_hours : int
        Number of hours, 24 at most.
    """
    n_forecast = forecast_kw.shape[0]
    ratio = day_ratio(expected, hour, forecast_kw)
    spread = np.sqrt(1.0 - expected.load_lag1 * expected.load_lag1)
    for s in range(out.load_kw.shape[0]):
        z = residual
        today = ratio * np.exp(AFTERNOON_STD * noise.day[noise_set, s, 0])
        next_day = np.exp(expected.pv_day_std * noise.day[noise_set, s, 1])
        for k in range(n_hours):
            h = (hour + k) % HOURS_PER_DAY
            z = expected.load_lag1 * z + spread * noise.load[noise_set, s, k]
            out.load_kw[s, k] = expected.load_mean_kw[h] + expected.load_std_kw[h] * z
            cars = expected.cars_mean_kw[h] + expected.cars_std_kw[h] * noise.cars[noise_set, s, k]
            out.cars_kw[s, k] = cars_kw if k == 0 else max(0.0, cars)
        for k in range(n_hours + n_forecast):
            h = (hour + k) % HOURS_PER_DAY
            if k < n_forecast:
                error = error_std * np.sqrt(k + 1.0) * noise.pv[noise_set, s, k]
                out.pv_kw[s, k] = forecast_kw[k] / max(LEAST_FORECAST_FACTOR, 1.0 + error)
            else:
                out.pv_kw[s, k] = expected.pv_mean_kw[h] * (today if hour + k < HOURS_PER_DAY else next_day)


@kernel()
def write_quantiles(
    out: Scenarios,
    expected: Expectations,
    error_std: float,
    quantiles: FloatArray,
    pv_share: float,
    hour: int,
    residual: float,
    cars_kw: float,
    forecast_kw: FloatArray,
    n_hours: int,
) -> None:
    """Write scenarios in which load and PV stay at a quantile of what can be, hour after hour.

    A load that persists (autocorrelation 0.9) is much alike all night, so a few quantiles stand for its paths.

    Parameters
    ----------
    quantiles : ndarray, shape (S,)
        Standard deviations of load above what is expected, one for each scenario.
    pv_share : float
        How many of its own standard deviations PV is below what is expected for each of these.
    out, expected, error_std, hour, residual, cars_kw, forecast_kw, n_hours
        As for `write_scenarios`.
    """
    n_forecast = forecast_kw.shape[0]
    ratio = day_ratio(expected, hour, forecast_kw)
    for s in range(out.load_kw.shape[0]):
        low = pv_share * quantiles[s]
        decay = 1.0
        for k in range(n_hours):
            h = (hour + k) % HOURS_PER_DAY
            decay *= expected.load_lag1
            z = residual * decay + quantiles[s] * np.sqrt(1.0 - decay * decay)
            out.load_kw[s, k] = expected.load_mean_kw[h] + expected.load_std_kw[h] * z
            out.cars_kw[s, k] = cars_kw if k == 0 else expected.cars_mean_kw[h]
            if k < n_forecast:
                out.pv_kw[s, k] = forecast_kw[k] * max(0.0, 1.0 - low * error_std * np.sqrt(k + 1.0))
            elif hour + k < HOURS_PER_DAY:
                out.pv_kw[s, k] = expected.pv_mean_kw[h] * ratio * np.exp(-AFTERNOON_STD * low)
            else:
                out.pv_kw[s, k] = expected.pv_mean_kw[h] * np.exp(-expected.pv_day_std * low)


@kernel()
def lasts_without_grid(store: Store, scenarios: Scenarios, stored_kwh: float, n_hours: int) -> bool:
    """Return whether no scenario imports anything when the battery follows load and PV."""
    for s in range(scenarios.load_kw.shape[0]):
        stored = stored_kwh
        for k in range(n_hours):
            lacking = scenarios.load_kw[s, k] + scenarios.cars_kw[s, k] - scenarios.pv_kw[s, k]
            after = stored_after(store, stored, -lacking)
            if lacking > 0.0 and exchanged(store, stored, after) + lacking > SHORT_KWH:
                return False
            stored = after
    return True
