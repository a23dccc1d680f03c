"""Generated charging sessions: staff who stay a shift, customers who come and go, one car per charger at a time."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from iquitos_citylearn.params import ChargingParams, FleetParams
from iquitos_citylearn.site.clock import HOURS_PER_DAY
from iquitos_citylearn.site.model import FloatArray, IntArray, Sessions

SOC_DECIMALS = 4
SOC_SPREAD_LIMIT = 2.5
"""States of charge stay within so many standard deviations of their means, and so within the possible."""
SOC_STEP = 0.01
"""Lowest arrival SOC, and the least that a car wants above what it has."""
LOG_RATES = (-7.0, 4.0)
"""Natural logarithm of the arrival rates that are tried: from hardly a car to one in every free hour [1/h]."""
BISECTION_STEPS = 30


@dataclass(frozen=True, kw_only=True)
class FleetDraws:
    """The random numbers of a fleet's days, drawn before any rate is tried; n = charger-days.

    Attributes
    ----------
    arrival, stay : ndarray, shape (n_open_hours, n)
        Uniform on [0, 1): whether a customer comes in an hour, and for how long.
    staff_start, staff_stay : ndarray of int64, shape (n,)
        Row after opening in which a staff member comes (beyond closing: none does), and the stay [h].
    arrival_soc, required_soc : ndarray, shape (n_open_hours, n)
        SOC of a car that comes in that hour, and SOC that it wants.
    """

    arrival: FloatArray
    stay: FloatArray
    staff_start: IntArray
    staff_stay: IntArray
    arrival_soc: FloatArray
    required_soc: FloatArray


def generate_sessions(charging: ChargingParams, rng: np.random.Generator, n_days: int) -> Sessions:
    """Draw the sessions of every charger.

    Parameters
    ----------
    charging : ChargingParams
        Opening hours, stays, states of charge, fleets. Chargers are numbered fleet by fleet.
    rng : numpy.random.Generator
        Source of all randomness.
    n_days : int
        Number of days.

    Returns
    -------
    Sessions
        Every session within one day and the opening hours; at least one free row between two of a charger; SOCs
        rounded to 4 decimals, 0 < arrival < required <= 1.

    Raises
    ------
    ValueError
        When the chargers of a fleet can't request the energy that falls to them.

    Notes
    -----
    A staff member comes with the opening or leaves with the closing. Around them, a customer takes a free charger in
    an hour with the probability 1 - exp(-rate weight(hour)) and stays 1 h and more (a shifted binomial), within what
    is left until closing or until the next staff member needs the charger. The rate of each fleet is solved for with
    the random numbers held fixed, so that the energy requested meets `energy_requested_kwh_per_day`: the number of
    sessions follows from it.
    """
    parts: list[Sessions] = []
    first_charger = 0
    for name, fleet, target_kwh_per_day in _energy_by_fleet(charging):
        draws = _draw(charging, fleet, rng, fleet.n_chargers * n_days)
        comes, stay = _solve(charging, fleet, draws, n_days, (name, target_kwh_per_day))
        row, slot = np.nonzero(comes)
        day, charger = np.divmod(slot, fleet.n_chargers)
        arrival_step = day * HOURS_PER_DAY + charging.opening_hour + row
        order = np.lexsort((arrival_step, charger))
        part = Sessions(
            charger=(first_charger + charger)[order],
            arrival_step=arrival_step[order],
            departure_step=(arrival_step + stay[row, slot])[order],
            arrival_soc=draws.arrival_soc[row, slot][order],
            required_soc=draws.required_soc[row, slot][order],
        )
        parts.append(part)
        first_charger += fleet.n_chargers
    return Sessions(
        charger=np.concatenate([part.charger for part in parts]),
        arrival_step=np.concatenate([part.arrival_step for part in parts]),
        departure_step=np.concatenate([part.departure_step for part in parts]),
        arrival_soc=np.concatenate([part.arrival_soc for part in parts]),
        required_soc=np.concatenate([part.required_soc for part in parts]),
    )


def energy_requested(
    arrival_soc: FloatArray, required_soc: FloatArray, stay_hours: IntArray, fleet: FleetParams, efficiency: float
) -> FloatArray:
    """Return what cars request: from arrival to required SOC, as far as their stay at full power allows.

    Parameters
    ----------
    arrival_soc, required_soc : ndarray
        States of charge.
    stay_hours : ndarray of int64
        Connected hours, in the same shape.
    fleet : FleetParams
        Battery and charger power.
    efficiency : float
        Efficiency of the charger, one way.

    Returns
    -------
    ndarray
        Energy into the battery [kWh].
    """
    wanted_kwh = (required_soc - arrival_soc) * fleet.battery_kwh
    return np.asarray(np.minimum(wanted_kwh, stay_hours * (fleet.power_kw * efficiency)))


def _energy_by_fleet(charging: ChargingParams) -> Iterator[tuple[str, FleetParams, float]]:
    """Yield every fleet with the energy that falls to it [kWh per day]."""
    nominal_kwh = {
        name: fleet.n_chargers
        * fleet.sessions_per_charger_day
        * (fleet.required_soc - fleet.arrival_soc)
        * fleet.battery_kwh
        for name, fleet in charging.fleets.items()
    }
    scale = charging.energy_requested_kwh_per_day / sum(nominal_kwh.values())
    for name, fleet in charging.fleets.items():
        yield name, fleet, nominal_kwh[name] * scale


def _draw(charging: ChargingParams, fleet: FleetParams, rng: np.random.Generator, n: int) -> FleetDraws:
    n_open = charging.closing_hour - charging.opening_hour
    has_staff = rng.random(n) < charging.staff_share * fleet.sessions_per_charger_day
    shortest, longest = charging.staff_stay_hours
    cumulative = _stay_distribution((shortest, longest), charging.staff_stay_mean_hours)
    staff_stay = shortest + np.searchsorted(cumulative, rng.random(n), side="right")
    start = np.where(rng.random(n) < 0.5, 0, n_open - staff_stay)
    shape = (n_open, n)
    arrival_soc = fleet.arrival_soc + charging.arrival_soc_std * _bounded_normal(rng, shape)
    required_soc = fleet.required_soc + charging.required_soc_std * _bounded_normal(rng, shape)
    arrival_soc = _rounded(np.clip(arrival_soc, SOC_STEP, 1 - SOC_STEP))
    return FleetDraws(
        arrival=rng.random(shape),
        stay=rng.random(shape),
        staff_start=np.where(has_staff, start, n_open + 1),
        staff_stay=staff_stay,
        arrival_soc=arrival_soc,
        required_soc=_rounded(np.clip(required_soc, arrival_soc + SOC_STEP, 1.0)),
    )


def _bounded_normal(rng: np.random.Generator, shape: tuple[int, int]) -> FloatArray:
    return np.clip(rng.standard_normal(shape), -SOC_SPREAD_LIMIT, SOC_SPREAD_LIMIT)


def _rounded(soc: FloatArray) -> FloatArray:
    return np.asarray(np.round(soc, SOC_DECIMALS), dtype=np.float64)


def _stay_distribution(bounds: tuple[int, int], mean_hours: float) -> FloatArray:
    """Return the cumulative distribution of a stay of shortest to longest hours: a shifted binomial."""
    n_more = bounds[1] - bounds[0]
    share = (mean_hours - bounds[0]) / n_more if n_more else 0.0
    return np.asarray(binom.cdf(np.arange(n_more + 1), n_more, share))


def _solve(
    charging: ChargingParams, fleet: FleetParams, draws: FleetDraws, n_days: int, target: tuple[str, float]
) -> tuple[NDArray[np.bool_], IntArray]:
    """Return who comes and for how long with the arrival rate at which the fleet requests its energy."""
    name, target_kwh_per_day = target

    def requested_kwh_per_day(log_rate: float) -> float:
        comes, stay = _plan(charging, draws, float(np.exp(log_rate)))
        energy_kwh = energy_requested(draws.arrival_soc, draws.required_soc, stay, fleet, charging.charger_efficiency)
        return float(energy_kwh[comes].sum()) / n_days

    low, high = LOG_RATES
    largest = requested_kwh_per_day(high)
    if largest < target_kwh_per_day:
        raise ValueError(
            f"charging.energy_requested_kwh_per_day is {charging.energy_requested_kwh_per_day:g}, of which "
            f"{target_kwh_per_day:.1f} fall to fleets.{name}; its {fleet.n_chargers} chargers can request at most "
            f"{largest:.1f} with these stays"
        )
    for _ in range(BISECTION_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if requested_kwh_per_day(middle) < target_kwh_per_day else (low, middle)
    return _plan(charging, draws, float(np.exp(high)))


def _plan(charging: ChargingParams, draws: FleetDraws, rate_per_hour: float) -> tuple[NDArray[np.bool_], IntArray]:
    """Let cars come hour by hour; return who comes and for how long, both of shape (n_open_hours, n)."""
    shape = draws.arrival.shape
    shortest, longest = charging.customer_stay_hours
    cumulative = _stay_distribution((shortest, longest), charging.customer_stay_mean_hours)
    comes, stay = np.zeros(shape, dtype=np.bool_), np.zeros(shape, dtype=np.int64)
    free_from = np.zeros(shape[1], dtype=np.int64)
    for row in range(shape[0]):
        weight = charging.arrival_weight_by_hour[charging.opening_hour + row]
        end = np.where(row < draws.staff_start, np.minimum(draws.staff_start - 1, shape[0]), shape[0])
        room = np.minimum(end - row, longest)
        share = np.where(room >= shortest, cumulative[np.maximum(room - shortest, 0)], 0.0)
        fits = (share > 0) & (free_from <= row)
        customer_stay = shortest + np.searchsorted(cumulative, draws.stay[row] * share, side="right")
        is_staff = draws.staff_start == row
        comes[row] = is_staff | (fits & (draws.arrival[row] < -np.expm1(-rate_per_hour * weight)))
        stay[row] = np.where(is_staff, draws.staff_stay, customer_stay)
        free_from = np.where(comes[row], row + stay[row] + 1, free_from)
    return comes, stay
