"""What lies ahead of a battery under the agent: paths until the refill (`env/night.py`), and what observations say.

Nothing here knows more of the future than the observation: paths are made of the load metered in the hour before, the
PV forecast and the expectations from the training years.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from iquitos_citylearn.env.arrays import Equipment
from iquitos_citylearn.env.battery import TINY
from iquitos_citylearn.env.demand import month_starts
from iquitos_citylearn.env.kernels import inner_kernel, kernel
from iquitos_citylearn.env.night import (
    CAREFUL,
    EXPECTED,
    Caution,
    LevelRule,
    Store,
    grid_level,
    hours_to_refill,
    level_target,
    shortage_kwh,
    write_path,
)
from iquitos_citylearn.params import EnvironmentParams, LevelParams
from iquitos_citylearn.site.clock import HOURS_PER_DAY
from iquitos_citylearn.site.expectations import Expectations
from iquitos_citylearn.site.model import FloatArray, IntArray, Site

MILD_PATH, CAUTIOUS_PATH, EXPECTED_PATH, CAREFUL_PATH = range(4)
N_PATHS = 4
RESIDUAL_RANGE = 4.0
"""Standard deviations of the load's residual that the observation shows."""
LONGEST_MONTH_HOURS = 31 * HOURS_PER_DAY
# Positions among the entries that depend on no action.
MONTH_ELAPSED, LOAD_RESIDUAL, TIME_TO_REFILL, PRICE_AHEAD, PV_AHEAD = range(5)
N_KNOWN = 5


class Lookahead(NamedTuple):
    """Years as they look from each hour; Y years, T steps. Without a battery under the agent Y and T are 0.

    Attributes
    ----------
    expected : Expectations
        Statistics of the training years.
    rule : LevelRule
        Constants of the rule `level`.
    store : Store
        The battery.
    error_std : float
        Relative standard deviation of the forecast's error an hour ahead.
    scale_kw : float
        Scale of import targets [kW].
    hour : ndarray of int64, shape (Y, T)
        Hour of the day that begins with the step.
    residual : ndarray, shape (Y, T)
        Standardised residual of the load metered in the hour before.
    forecast_kw : ndarray, shape (Y, T, n_forecast)
        PV forecast of the step [kW].
    path_kwh : ndarray of float32, shape (Y, T, 4, 24)
        Mild, cautious, expected and careful path from each step (`night.write_path`).
    known : ndarray of float32, shape (Y, T, 5)
        Entries of the observation that depend on no action.
    """

    expected: Expectations
    rule: LevelRule
    store: Store
    error_std: float
    scale_kw: float
    hour: IntArray
    residual: FloatArray
    forecast_kw: FloatArray
    path_kwh: NDArray[np.float32]
    known: NDArray[np.float32]


def make_lookahead(
    sites: Sequence[Site],
    equipment: Equipment,
    forecast_kw: FloatArray,
    price: FloatArray,
    params: EnvironmentParams,
    expected: Expectations,
) -> Lookahead:
    """Return the lookahead of years of one site.

    Parameters
    ----------
    sites : sequence of Site, length Y
        The years.
    equipment : Equipment
        Of the same site.
    forecast_kw : ndarray, shape (Y, T, n_forecast)
        The PV forecast of each step [kW].
    price : ndarray, shape (Y, T)
        Tariff of each hour.
    params : EnvironmentParams
        Forecast error, and constants of the rule `level`.
    expected : Expectations
        From the training years.
    """
    bess = equipment.bess[0]
    store = Store(
        float(bess["min_energy_kwh"]),
        float(bess["capacity_kwh"]),
        float(bess["nominal_power_kw"]),
        float(bess["efficiency"][int(bess["n_efficiency"]) - 1]) ** 0.5,
    )
    if equipment.bess_automatic or not equipment.bess_present:
        sites = ()
    n_steps = sites[0].n_steps if sites else 0
    shape = (len(sites), n_steps)
    lookahead = Lookahead(
        expected=expected,
        rule=make_level_rule(params.level, expected),
        store=store,
        error_std=float(params.forecast_error_std),
        scale_kw=expected.scale_kw,
        hour=np.zeros(shape, dtype=np.int64),
        residual=np.zeros(shape),
        forecast_kw=forecast_kw[: len(sites)],
        path_kwh=np.zeros((*shape, N_PATHS, HOURS_PER_DAY), dtype=np.float32),
        known=np.zeros((*shape, N_KNOWN), dtype=np.float32),
    )
    for y, site in enumerate(sites):
        lookahead.hour[y] = site.hour - 1
        load = site.load_kwh.astype(np.float32).astype(np.float64)
        lookahead.residual[y] = load_residual(load, lookahead.hour[y], expected)
        _write_known(
            lookahead.known[y], site, lookahead.hour[y], lookahead.residual[y], price[y], expected, forecast_kw.shape[2]
        )
    if sites:
        _write_paths(lookahead)
    return lookahead


def with_level(lookahead: Lookahead, constants: LevelParams) -> Lookahead:
    """Return the lookahead under other constants of the rule `level`."""
    changed = lookahead._replace(
        rule=make_level_rule(constants, lookahead.expected), path_kwh=np.zeros_like(lookahead.path_kwh)
    )
    _write_paths(changed)
    return changed


def make_level_rule(constants: LevelParams, expected: Expectations) -> LevelRule:
    """Return the constants of the rule `level` at a site."""
    paths = (Caution(*map(float, path.model_dump().values())) for path in (constants.mild, constants.cautious))
    return LevelRule(constants.floor_share * expected.scale_kw, float(constants.peak_share), *paths)


def load_residual(load_kwh: FloatArray, hour: IntArray, expected: Expectations) -> FloatArray:
    """Return the standardised residual of the load metered in the hour before each step; 0 at the first."""
    std = expected.load_std_kw[hour]
    z = np.divide(load_kwh - expected.load_mean_kw[hour], std, out=np.zeros_like(load_kwh), where=std > 0.0)
    return np.concatenate([[0.0], z[:-1]])


@inner_kernel
def stored_kwh_of(lookahead: Lookahead, bess_soc: float) -> float:
    """Return the energy in the battery [kWh]."""
    return bess_soc * lookahead.store.capacity_kwh


@inner_kernel
def target_kw(lookahead: Lookahead, y: int, t: int, stored_kwh: float, peak_kw: float, cars_kw: float) -> float:
    """Return the import target of the rule `level` at step t of year y (`night.level_target`) [kW]."""
    n_hours = hours_to_refill(lookahead.expected.refill_hour, lookahead.hour[y, t])
    mild, cautious = lookahead.path_kwh[y, t, MILD_PATH], lookahead.path_kwh[y, t, CAUTIOUS_PATH]
    target: float = level_target(lookahead.rule, lookahead.store, stored_kwh, peak_kw, mild, cautious, n_hours, cars_kw)
    return target


@inner_kernel
def careful_level_kw(lookahead: Lookahead, y: int, t: int, stored_kwh: float, cars_kw: float) -> float:
    """Return the even spread of what is missing on the careful path from step t of year y on [kW]."""
    n_hours = hours_to_refill(lookahead.expected.refill_hour, lookahead.hour[y, t])
    level: float = grid_level(lookahead.store, stored_kwh, lookahead.path_kwh[y, t, CAREFUL_PATH], n_hours, cars_kw)
    return level


@kernel()
def write_lookahead(
    out: NDArray[np.float32],
    first: int,
    lookahead: Lookahead,
    y: int,
    t: int,
    bess_soc: float,
    peak_kw: float,
    cars_kw: float,
) -> None:
    """Write the entries `features.LOOKAHEAD_FEATURES` of step t of year y.

    Parameters
    ----------
    out : ndarray of float32, shape (n_observations,)
        Where they go, from `first` on.
    bess_soc, peak_kw, cars_kw : float
        SOC of the battery, highest import of the month so far, and what the connected cars need in this hour [kW].
    """
    store, scale = lookahead.store, lookahead.scale_kw
    stored = stored_kwh_of(lookahead, bess_soc)
    n_hours = hours_to_refill(lookahead.expected.refill_hour, lookahead.hour[y, t])
    for entry in range(N_KNOWN):
        out[first + entry] = lookahead.known[y, t, entry]
    at = first + N_KNOWN
    usable = store.capacity_kwh - store.min_kwh
    out[at] = min(1.0, max(0.0, (stored - store.min_kwh) / usable))
    out[at + 1] = min(1.0, peak_kw / scale)
    for place, path in enumerate((EXPECTED_PATH, CAREFUL_PATH)):
        hours = lookahead.path_kwh[y, t, path]
        short = shortage_kwh(store, stored, hours, n_hours, cars_kw, 0.0, 0.0)
        out[at + 2 + 2 * place] = min(1.0, short / usable)
        out[at + 3 + 2 * place] = min(1.0, grid_level(store, stored, hours, n_hours, cars_kw) / scale)
    out[at + 6] = min(1.0, target_kw(lookahead, y, t, stored, peak_kw, cars_kw) / scale)


@kernel()
def _write_paths(lookahead: Lookahead) -> None:
    expected, rule = lookahead.expected, lookahead.rule
    for y in range(lookahead.hour.shape[0]):
        for t in range(lookahead.hour.shape[1]):
            hour, z, forecast_kw = lookahead.hour[y, t], lookahead.residual[y, t], lookahead.forecast_kw[y, t]
            n_hours = hours_to_refill(expected.refill_hour, hour)
            for path, caution in enumerate((rule.mild, rule.cautious, EXPECTED, CAREFUL)):
                out = lookahead.path_kwh[y, t, path]
                write_path(out, n_hours, expected, caution, hour, z, forecast_kw, lookahead.error_std)


def _write_known(
    out: NDArray[np.float32],
    site: Site,
    hour: IntArray,
    residual: FloatArray,
    price: FloatArray,
    expected: Expectations,
    n_forecast: int,
) -> None:
    steps = np.arange(site.n_steps)
    first = np.flatnonzero(month_starts(site.month))
    month = np.searchsorted(first, steps, side="right") - 1
    left = (expected.refill_hour - hour - 1) % HOURS_PER_DAY + 1
    until = np.minimum(steps + left, site.n_steps)
    total = np.concatenate([[0.0], np.cumsum(price)])
    pv_before = np.concatenate([[0.0], np.cumsum(expected.pv_mean_kw)])
    out[:, MONTH_ELAPSED] = np.minimum(1.0, (steps - first[month]) / LONGEST_MONTH_HOURS)
    out[:, LOAD_RESIDUAL] = np.clip(residual / RESIDUAL_RANGE, -1.0, 1.0)
    out[:, TIME_TO_REFILL] = left / HOURS_PER_DAY
    out[:, PRICE_AHEAD] = (total[until] - total[steps]) / (until - steps) / max(np.abs(price).max(), TINY)
    beyond = np.minimum(hour + n_forecast, HOURS_PER_DAY)
    out[:, PV_AHEAD] = (pv_before[HOURS_PER_DAY] - pv_before[beyond]) / max(pv_before[HOURS_PER_DAY], TINY)
