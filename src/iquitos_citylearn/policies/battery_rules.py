"""Rules for a stationary battery that the policy dispatches; they read the observation alone.

A rule that gives no entry for the battery leaves it to automatic dispatch (`env/action.py`).
"""

import numpy as np
from numpy.typing import NDArray

from iquitos_citylearn.env.action import bess_entry
from iquitos_citylearn.env.features import BESS_SOC, HOUR_COS, HOUR_SIN
from iquitos_citylearn.env.setting import Setting
from iquitos_citylearn.env.year import Years
from iquitos_citylearn.params import Params, SiteParams
from iquitos_citylearn.policies.policy import Rule
from iquitos_citylearn.policies.rules import required
from iquitos_citylearn.site.clock import HOURS_PER_DAY
from iquitos_citylearn.site.model import FloatArray

SUNRISE_HOUR, SUNSET_HOUR = 7, 16
"""Hours of the day from which PV refills the battery, and from which it no longer covers the load."""


class PeakShaving(Rule):
    """Leaves the cars to a rule and spreads the battery's energy over the night, so that no hour imports much.

    From sunset to sunrise the grid gives in equal parts what the battery cannot: g = (load until sunrise - energy that
    can be discharged) / hours until sunrise, or 0. The battery covers what is above g. By day it follows the rule.

    Parameters
    ----------
    cars : Rule
        Decides on the chargers.
    setting : Setting
        For the scales of the observation and the battery.
    hourly_load_kw : ndarray, shape (24,)
        Load that the site is known to have by hour of the day, cars included [kW].
    """

    def __init__(self, cars: Rule, setting: Setting, hourly_load_kw: FloatArray) -> None:
        tables, bess = setting.tables, setting.equipment.bess[0]
        self._cars = cars
        self._power_kw, self._capacity_kwh = float(bess["nominal_power_kw"]), float(bess["capacity_kwh"])
        self._min_soc, self._efficiency = float(bess["min_soc"]), tables.bess_discharge_efficiency
        self._load_until_sunrise = _until_sunrise(hourly_load_kw)

    def decide(self, observation: NDArray[np.float32]) -> FloatArray:
        """Return the actions, the battery's last, shape (batch, n_chargers + 1)."""
        cars = self._cars.decide(observation)
        share = np.minimum(self._grid_kw(observation.astype(np.float64)) / self._power_kw, 2.0)
        entry = bess_entry(share, np.zeros(len(cars)))
        return np.column_stack([cars, entry])

    def _grid_kw(self, observation: FloatArray) -> FloatArray:
        """Return what the grid is to give before the battery gives anything [kW], shape (batch,)."""
        sin, cos = observation[:, HOUR_SIN], observation[:, HOUR_COS]
        hour = np.rint(np.arctan2(sin, cos) / (2 * np.pi) * HOURS_PER_DAY).astype(np.int64) % HOURS_PER_DAY
        soc = observation[:, BESS_SOC]
        stored_kwh = np.maximum(soc - self._min_soc, 0.0) * self._capacity_kwh * self._efficiency
        hours = (SUNRISE_HOUR - hour - 1) % HOURS_PER_DAY + 1
        lacking_kw = np.maximum(self._load_until_sunrise[hour] - stored_kwh, 0.0) / hours
        by_night = (hour >= SUNSET_HOUR) | (hour < SUNRISE_HOUR)
        return np.where(by_night, lacking_kw, 0.0)


def _until_sunrise(hourly_load_kw: FloatArray) -> FloatArray:
    """Return the load from each hour of the day on until sunrise [kWh], shape (24,)."""
    left = np.zeros(HOURS_PER_DAY)
    for back in range(1, HOURS_PER_DAY):
        hour = (SUNRISE_HOUR - back) % HOURS_PER_DAY
        left[hour] = left[(hour + 1) % HOURS_PER_DAY] * (back > 1) + hourly_load_kw[hour]
    return left


def peak_shaving(years: Years, params: Params, seed: int) -> Rule:
    """Return the rule `peak_shaving`: cars as under `required`, the battery by the load that a planner expects."""
    return PeakShaving(required(years, params, seed), years.setting, expected_load_kw(params.site))


def expected_load_kw(site: SiteParams) -> FloatArray:
    """Return the load that a planner expects by hour of the day, shape (24,) [kW].

    It is the mall's hourly means, and the energy that cars request in a day spread over the opening hours.
    """
    load_kw = np.array(site.mall.hourly_mean_kw, dtype=np.float64)
    charging = site.charging
    hours = slice(charging.opening_hour, charging.closing_hour)
    site_kwh = charging.energy_requested_kwh_per_day / charging.charger_efficiency
    load_kw[hours] += site_kwh / (charging.closing_hour - charging.opening_hour)
    return load_kw
