"""What a controller expects of a site: statistics of the training years by hour of the day.

They are all that rules and controllers know of load, cars and PV beyond what is metered and forecast. Years that
policies are judged on take no part in them.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from iquitos_citylearn.runtime.artifacts import ArtifactError, read_json, write_json
from iquitos_citylearn.site.clearness import fit_clearness_kept
from iquitos_citylearn.site.clock import HOURS_PER_DAY
from iquitos_citylearn.site.model import FloatArray, Site

REMEDY = "`dvc repro build_dataset` makes it anew"
SINGLE = {"load_lag1": float, "pv_day_std": float, "refill_hour": int}
"""Statistics that are one number, with their types."""
SHAPES = dict.fromkeys(SINGLE, ()) | {"pv_clearness_kept": (HOURS_PER_DAY, HOURS_PER_DAY)}
"""Shapes of statistics that do not have one number for each hour of the day."""
LAST_REFILL_HOUR = 12
"""Hour of the day up to which a battery has to last where PV never covers the load."""


class Expectations(NamedTuple):
    """Statistics by hour of the day; arrays of shape (24,), hour 0 first.

    Attributes
    ----------
    load_mean_kw, load_std_kw : ndarray
        Load of the building: mean and standard deviation [kW].
    load_lag1 : float
        Autocorrelation of the load's standardised residual from an hour to the next.
    cars_mean_kw, cars_std_kw : ndarray
        Power of all chargers when every car charges at once what its driver asked for [kW].
    pv_mean_kw : ndarray
        PV generation [kW].
    pv_clearness_kept : ndarray, shape (24, 24)
        Share of the clearness ratio's departure from 1 that is left, by hour that begins and hours ahead
        (`site/clearness.py`).
    price_usd_per_kwh : ndarray
        Tariff, mean of the hour.
    pv_day_std : float
        Standard deviation of the logarithm of a day's PV energy.
    refill_hour : int
        Hour of the day up to which a battery has to last: the end of the first hour in which the mean of PV covers
        the highest mean of load and cars.
    """

    load_mean_kw: FloatArray
    load_std_kw: FloatArray
    load_lag1: float
    cars_mean_kw: FloatArray
    cars_std_kw: FloatArray
    pv_mean_kw: FloatArray
    pv_clearness_kept: FloatArray
    price_usd_per_kwh: FloatArray
    pv_day_std: float
    refill_hour: int

    @property
    def scale_kw(self) -> float:
        """Highest mean of load and cars in an hour of the day [kW]: the scale of import targets in observations."""
        return float((self.load_mean_kw + self.cars_mean_kw).max())


def fit_expectations(sites: Sequence[Site]) -> Expectations:
    """Return the statistics of years of one site.

    Parameters
    ----------
    sites : sequence of Site
        The training years.
    """
    hour = np.concatenate([site.hour - 1 for site in sites])
    load = np.concatenate([site.load_kwh for site in sites])
    cars = np.concatenate([required_kwh(site) for site in sites])
    pv = np.concatenate([site.pv_kwh for site in sites])
    load_mean, load_std = _by_hour(hour, load)
    cars_mean, cars_std = _by_hour(hour, cars)
    pv_mean, _ = _by_hour(hour, pv)
    price, _ = _by_hour(hour, np.concatenate([site.price_usd_per_kwh for site in sites]))
    return Expectations(
        load_mean_kw=load_mean,
        load_std_kw=load_std,
        load_lag1=_lag1(_ratio(load - load_mean[hour], load_std[hour])),
        cars_mean_kw=cars_mean,
        cars_std_kw=cars_std,
        pv_mean_kw=pv_mean,
        pv_clearness_kept=fit_clearness_kept(sites, pv_mean),
        price_usd_per_kwh=price,
        pv_day_std=_day_std(sites),
        refill_hour=_refill_hour(pv_mean, load_mean + cars_mean),
    )


def required_kwh(site: Site) -> FloatArray:
    """Return the energy of all chargers when cars charge at once what was asked for, shape (n_steps,) [kWh]."""
    sessions, chargers = site.sessions, site.chargers
    rating = np.array([charger.max_charging_power_kw for charger in chargers])[sessions.charger]
    kwh_per_soc = np.array([charger.ev.energy_capacity_kwh / charger.efficiency for charger in chargers])
    need = np.maximum(sessions.required_soc - sessions.arrival_soc, 0.0) * kwh_per_soc[sessions.charger]
    hours = sessions.departure_step - sessions.arrival_step
    total = np.zeros(site.n_steps)
    for k in range(int(hours.max(initial=0))):
        still = hours > k
        energy = np.clip(need[still] - k * rating[still], 0.0, rating[still])
        np.add.at(total, sessions.arrival_step[still] + k, energy)
    return total


def write_expectations(path: Path, expectations: Expectations) -> None:
    """Write expectations as JSON."""
    content = {name: np.asarray(value).tolist() for name, value in expectations._asdict().items()}
    write_json(path, content)


def read_expectations(path: Path) -> Expectations:
    """Read expectations.

    Raises
    ------
    ArtifactError
        If the file is missing or damaged, or a statistic is lacking or is none; says how to make it anew.
    """
    try:
        content = read_json(path)
    except ArtifactError as error:
        raise ArtifactError(f"{error}; {REMEDY}") from error
    lacking = set(Expectations._fields) - set(content)
    if lacking:
        raise ArtifactError(f"{path}: lacks {', '.join(sorted(lacking))}; {REMEDY}")
    values: dict[str, Any] = {}
    for name in Expectations._fields:
        value = content[name]
        try:
            read = np.array(value, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise ArtifactError(f"{path}: {name} is no number or list of numbers; {REMEDY}") from error
        shape = SHAPES.get(name, (HOURS_PER_DAY,))
        if read.shape != shape:
            raise ArtifactError(f"{path}: {name} has the shape {read.shape}, not {shape}; {REMEDY}")
        if not np.isfinite(read).all():
            raise ArtifactError(f"{path}: {name} has numbers that are not finite; {REMEDY}")
        values[name] = SINGLE[name](value) if name in SINGLE else read
    return Expectations(**values)


def _by_hour(hour: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return mean and standard deviation by hour of the day, 0 in hours that no year has."""
    count = np.maximum(np.bincount(hour, minlength=HOURS_PER_DAY), 1)
    mean = np.bincount(hour, values, minlength=HOURS_PER_DAY) / count
    variance = np.bincount(hour, (values - mean[hour]) ** 2, minlength=HOURS_PER_DAY) / count
    return mean, np.sqrt(variance)


def _ratio(values: FloatArray, by: FloatArray) -> FloatArray:
    return np.divide(values, by, out=np.zeros_like(values), where=by > 0.0)


def _lag1(residual: FloatArray) -> float:
    variance = float(residual @ residual)
    return float(residual[1:] @ residual[:-1]) / variance if variance > 0.0 else 0.0


def _day_std(sites: Sequence[Site]) -> float:
    days = np.concatenate(
        [site.pv_kwh[: site.n_steps // HOURS_PER_DAY * HOURS_PER_DAY].reshape(-1, HOURS_PER_DAY) for site in sites]
    ).sum(axis=1)
    return float(np.log(days[days > 0.0]).std()) if (days > 0.0).any() else 0.0


def _refill_hour(pv_mean: FloatArray, load_mean: FloatArray) -> int:
    covered = np.flatnonzero(pv_mean >= load_mean.max()) + 1
    return int(covered.min(initial=LAST_REFILL_HOUR))
