"""The site as arrays for the twin's kernels."""

import math
from collections.abc import Sequence
from dataclasses import fields
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from iquitos_citylearn.env.battery import TINY, Batteries, make_batteries
from iquitos_citylearn.site.model import Battery, Charger, FloatArray, IntArray, Sessions, Site, flat_efficiency
from iquitos_citylearn.site.validity import session_problem

NO_SESSION = -1
ONLY_ENV, ONLY_YEAR = 0, 0
"""Index of the environment in a state of one, and of the year in the arrays of one."""


class Equipment(NamedTuple):
    """Equipment of the site; arrays of shape (n_chargers,).

    Attributes
    ----------
    max_charging_power_kw, min_charging_power_kw : ndarray
        Rating, and the power below which a charger gives nothing [kW], site side.
    charger_efficiency : ndarray
        One-way efficiency, site to car.
    ev_capacity_kwh : ndarray
        Capacity of the cars' batteries [kWh], as in `ev`.
    ev : ndarray of BATTERY
        The car of each charger.
    bess : ndarray of BATTERY, shape (1,)
        The stationary battery (a placeholder where there is none).
    bess_present, bess_automatic : bool
        Whether there is one, and whether no agent dispatches it: `Site.bess_dispatch` as the kernels read it.
    import_limit_kw : float
        Import that requests are cut down to [kW]; infinite where `import_limited` is False.
    import_limited : bool
        Whether there is such a limit.
    """

    max_charging_power_kw: FloatArray
    min_charging_power_kw: FloatArray
    charger_efficiency: FloatArray
    ev_capacity_kwh: FloatArray
    ev: Batteries
    bess: Batteries
    bess_present: bool
    bess_automatic: bool
    import_limit_kw: float
    import_limited: bool


class YearArrays(NamedTuple):
    """Years of a site; Y years, T steps, S sessions at most.

    Attributes
    ----------
    load_kwh, pv_kwh : ndarray, shape (Y, T)
        Load and generation, float32 values [kWh].
    price_usd_per_kwh, carbon_kg_per_kwh : ndarray, shape (Y, T)
        Tariff and grid intensity.
    session_of : ndarray of int32, shape (Y, T, n_chargers)
        Row of the session connected in step t in the lists of sessions below, -1 where none is.
    connected_first : ndarray of uint64, shape (Y, T + 1)
        Where step t starts in the lists below; it ends where t + 1 starts. Kernels run over these lists: most
        chargers are idle most of the time. Unsigned, since Numba tests every signed index for counting from the end.
    connected_charger, connected_session : ndarray of uint32, shape (Y, K)
        The chargers with a car, step by step and rising within each, and their sessions; padded with 0.
    session_arrival_step, session_departure_step : ndarray of int32, shape (Y, S)
        First connected step and first step after the last, padded with -1. Sessions are in order of arrival, unlike a
        site's (`session_rows`): those connected together then share cache lines.
    session_arrival_soc, session_required_soc : ndarray, shape (Y, S)
        As fractions, padded with 0; arrival SOCs are float32 values.
    """

    load_kwh: FloatArray
    pv_kwh: FloatArray
    price_usd_per_kwh: FloatArray
    carbon_kg_per_kwh: FloatArray
    session_of: NDArray[np.int32]
    connected_first: NDArray[np.uint64]
    connected_charger: NDArray[np.uint32]
    connected_session: NDArray[np.uint32]
    session_arrival_step: NDArray[np.int32]
    session_departure_step: NDArray[np.int32]
    session_arrival_soc: FloatArray
    session_required_soc: FloatArray


class State(NamedTuple):
    """State of E environments; SOCs and energies are float32 values.

    Attributes
    ----------
    year, time_step : ndarray of int64, shape (E,)
        Year that runs, and the step of the next action.
    ev_soc, ev_capacity_kwh : ndarray, shape (E, n_chargers)
        SOC of the connected cars (0 where none), and their capacity left after fade [kWh].
    bess_soc, bess_capacity_kwh : ndarray, shape (E,)
        The same of the stationary battery; SOC 0 without one.
    net_kwh, bess_kwh : ndarray, shape (E,)
        Last step's net consumption and battery energy, site side, import and charging positive [kWh].
    charger_kwh : ndarray, shape (E, n_chargers)
        Last step's consumption of the chargers, site side [kWh].
    peak_kw : ndarray, shape (E,)
        Highest import of the month before the next step [kW], kept where a demand charge or the agent needs it.
    """

    year: NDArray[np.int64]
    time_step: NDArray[np.int64]
    ev_soc: FloatArray
    ev_capacity_kwh: FloatArray
    bess_soc: FloatArray
    bess_capacity_kwh: FloatArray
    net_kwh: FloatArray
    bess_kwh: FloatArray
    charger_kwh: FloatArray
    peak_kw: FloatArray


def make_equipment(site: Site) -> Equipment:
    """Return the equipment of a site as arrays.

    Raises
    ------
    ValueError
        When a charger or battery has a value out of its range.
    """
    for charger in site.chargers:
        _check_charger(charger)
    ev = make_batteries([charger.ev for charger in site.chargers], [charger.name for charger in site.chargers])
    bess = site.bess if site.bess is not None else _placeholder_battery()
    return Equipment(
        max_charging_power_kw=np.array([float(charger.max_charging_power_kw) for charger in site.chargers]),
        min_charging_power_kw=np.array([float(charger.min_charging_power_kw) for charger in site.chargers]),
        charger_efficiency=np.array([float(charger.efficiency) for charger in site.chargers]),
        ev_capacity_kwh=np.ascontiguousarray(ev["capacity_kwh"]),
        ev=ev,
        bess=make_batteries([bess], ["bess"]),
        bess_present=site.bess_dispatch != "none",
        bess_automatic=site.bess_dispatch != "agent",
        import_limit_kw=math.inf if site.import_limit_kw is None else float(site.import_limit_kw),
        import_limited=site.import_limit_kw is not None,
    )


def without_import_limit(equipment: Equipment) -> Equipment:
    """Return the same equipment on a grid connection that carries any import."""
    return equipment._replace(import_limit_kw=math.inf, import_limited=False)


def _placeholder_battery() -> Battery:
    return Battery(
        energy_capacity_kwh=1.0,
        nominal_power_kw=1.0,
        initial_soc=0.0,
        depth_of_discharge=1.0,
        power_efficiency_curve=flat_efficiency(1.0),
    )


def _check_charger(charger: Charger) -> None:
    if not (np.isfinite(charger.max_charging_power_kw) and charger.max_charging_power_kw >= TINY):
        raise ValueError(
            f"{charger.name}: max_charging_power_kw is {charger.max_charging_power_kw}; it must be at least {TINY}"
        )
    if not 0.0 <= charger.min_charging_power_kw <= charger.max_charging_power_kw:
        raise ValueError(
            f"{charger.name}: min_charging_power_kw is {charger.min_charging_power_kw}, outside 0 to "
            f"{charger.max_charging_power_kw}"
        )
    if not TINY <= charger.efficiency <= 1.0:
        raise ValueError(f"{charger.name}: efficiency is {charger.efficiency}, outside {TINY} to 1")


def make_years(sites: Sequence[Site]) -> YearArrays:
    """Return years of one site as arrays.

    Parameters
    ----------
    sites : sequence of Site
        The years; the same number of steps, the same equipment.

    Raises
    ------
    ValueError
        When the years differ in steps or equipment, a series has a value that is not finite, or a session is not
        valid (`site.validity`).
    """
    first = sites[0]
    for index, site in enumerate(sites):
        if site.n_steps != first.n_steps:
            raise ValueError(f"year {index} has {site.n_steps} steps, year 0 has {first.n_steps}")
        if _equipment_of(site) != _equipment_of(first):
            raise ValueError(f"year {index} has other equipment than year 0")
        _check_series(site, f"year {index}")
        problem = session_problem(site.sessions, site.n_steps, site.n_chargers)
        if problem is not None:
            field, row, value, allowed = problem
            raise ValueError(f"year {index}: {field} is {value} in session {row}; allowed: {allowed}")
    width = max(1, *(len(site.sessions) for site in sites))
    sessions = [_in_order_of_arrival(site.sessions) for site in sites]
    session_of = np.stack([_session_of(s, first.n_steps, first.n_chargers) for s in sessions])
    connected = session_of != NO_SESSION
    longest = int(connected.sum(axis=(1, 2)).max())
    return YearArrays(
        load_kwh=_singles([site.load_kwh for site in sites]),
        pv_kwh=_singles([site.pv_kwh for site in sites]),
        price_usd_per_kwh=np.stack([site.price_usd_per_kwh for site in sites]).astype(np.float64),
        carbon_kg_per_kwh=np.stack([site.carbon_kg_per_kwh for site in sites]).astype(np.float64),
        session_of=session_of,
        connected_first=np.pad(connected.sum(axis=2).cumsum(axis=1), ((0, 0), (1, 0))).astype(np.uint64),
        connected_charger=np.stack([_pad(np.nonzero(c)[1], longest, 0).astype(np.uint32) for c in connected]),
        connected_session=np.stack(
            [_pad(s[c], longest, 0).astype(np.uint32) for s, c in zip(session_of, connected, strict=True)]
        ),
        session_arrival_step=np.stack([_pad(s.arrival_step, width, -1).astype(np.int32) for s in sessions]),
        session_departure_step=np.stack([_pad(s.departure_step, width, -1).astype(np.int32) for s in sessions]),
        session_arrival_soc=_singles([_pad(s.arrival_soc, width, 0) for s in sessions]),
        session_required_soc=np.stack([_pad(s.required_soc, width, 0).astype(np.float64) for s in sessions]),
    )


def _equipment_of(site: Site) -> tuple[object, ...]:
    return site.chargers, site.bess, site.bess_dispatch, site.import_limit_kw


def _singles(series: Sequence[FloatArray]) -> FloatArray:
    return np.stack(series).astype(np.float32).astype(np.float64)


def _pad(values: FloatArray | IntArray, width: int, value: int) -> FloatArray:
    return np.pad(values, (0, width - len(values)), constant_values=value)


def session_rows(years: YearArrays, y: int, sessions: Sessions) -> IntArray:
    """Return the row of each session of the site of year y in the year's lists, shape (n_sessions,)."""
    return np.asarray(years.session_of[y, sessions.arrival_step, sessions.charger], dtype=np.int64)


def _in_order_of_arrival(sessions: Sessions) -> Sessions:
    order = np.argsort(sessions.arrival_step, kind="stable")
    return Sessions(**{field.name: getattr(sessions, field.name)[order] for field in fields(Sessions)})


def _session_of(sessions: Sessions, n_steps: int, n_chargers: int) -> NDArray[np.int32]:
    session_of = np.full((n_steps, n_chargers), NO_SESSION, dtype=np.int32)
    n_hours = sessions.departure_step - sessions.arrival_step
    session = np.repeat(np.arange(len(sessions), dtype=np.int32), n_hours)
    hour_of_session = np.arange(len(session)) - np.repeat(np.cumsum(n_hours) - n_hours, n_hours)
    session_of[sessions.arrival_step[session] + hour_of_session, sessions.charger[session]] = session
    return session_of


def _check_series(site: Site, name: str) -> None:
    for field in ("load_kwh", "pv_kwh", "price_usd_per_kwh", "carbon_kg_per_kwh"):
        series = getattr(site, field)
        if series.shape != (site.n_steps,):
            raise ValueError(f"{name}: {field} has shape {series.shape}; it must be ({site.n_steps},)")
        if not np.isfinite(series).all():
            row = int(np.argmin(np.isfinite(series)))
            raise ValueError(f"{name}: {field} is {series[row]} in row {row}; it must be finite")


def make_state(n_envs: int, n_chargers: int) -> State:
    """Return the state of environments that have not been reset yet."""
    return State(
        year=np.zeros(n_envs, dtype=np.int64),
        time_step=np.zeros(n_envs, dtype=np.int64),
        ev_soc=np.zeros((n_envs, n_chargers)),
        ev_capacity_kwh=np.zeros((n_envs, n_chargers)),
        bess_soc=np.zeros(n_envs),
        bess_capacity_kwh=np.zeros(n_envs),
        net_kwh=np.zeros(n_envs),
        bess_kwh=np.zeros(n_envs),
        charger_kwh=np.zeros((n_envs, n_chargers)),
        peak_kw=np.zeros(n_envs),
    )
