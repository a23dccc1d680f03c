"""Key figures of a year, all from the simulated state."""

from dataclasses import dataclass
from functools import cache
from math import fsum
from typing import Any

import numpy as np
import pandas as pd

from iquitos_citylearn.env.arrays import session_rows
from iquitos_citylearn.env.demand import demand_cost_usd
from iquitos_citylearn.env.reward import TERMS
from iquitos_citylearn.env.tables import Tables
from iquitos_citylearn.env.year import Year
from iquitos_citylearn.evaluation.key_figures import PARTS_OF_COST, SUMMED
from iquitos_citylearn.policies.rollout import Rollout
from iquitos_citylearn.site.clock import HOURS_PER_DAY
from iquitos_citylearn.site.model import FloatArray, IntArray

SERVICE_TOLERANCE_SOC = 0.01
"""A session is served when it leaves within this of what it needed, or of all that was feasible."""
PEAK_TARIFF_PRICES = 2
"""Number of prices of a tariff with peak hours; one with more has no hours that are the peak."""


def make_timeseries(rollout: Rollout, year: Year) -> pd.DataFrame:
    """Return the hourly series of a year.

    Parameters
    ----------
    rollout, year : Rollout, Year
        A policy's rollout over the year.

    Returns
    -------
    DataFrame, one row per step
        `timestamp`, energies [kWh], `bess_soc`, `co2_kg`, `cost_usd`, the weighted reward terms and their sum.
        Energies of the battery are on the site's side. Where the tariff has them, also the parts of `cost_usd`
        (`_parts_of_cost`).
    """
    years, tables = year.setting.years, year.setting.tables
    grid_import = np.maximum(rollout.net_kwh, 0.0)
    table = {
        "timestamp": _timestamps(year.calendar_year, year.site.n_steps),
        "building_load_kwh": years.load_kwh[0],
        "pv_generation_kwh": years.pv_kwh[0],
        "ev_charging_kwh": rollout.ev_kwh,
        "bess_charge_kwh": np.maximum(rollout.bess_kwh, 0.0),
        "bess_discharge_kwh": np.maximum(-rollout.bess_kwh, 0.0),
        "bess_soc": rollout.bess_soc,
        "net_grid_kwh": rollout.net_kwh,
        "grid_import_kwh": grid_import,
        "grid_export_kwh": np.maximum(-rollout.net_kwh, 0.0),
        "co2_kg": grid_import * years.carbon_kg_per_kwh[0],
        "cost_usd": grid_import * years.price_usd_per_kwh[0],
    }
    parts = _parts_of_cost(grid_import, years.price_usd_per_kwh[0], tables)
    if parts:
        table |= {"cost_usd": sum(parts.values()), **parts}
    rewards = {f"reward_{term}": rollout.reward_terms[:, index] for index, term in enumerate(TERMS)}
    return pd.DataFrame(table | rewards | {"reward_total": rollout.reward_terms.sum(axis=1)})


def _parts_of_cost(import_kwh: FloatArray, price_usd_per_kwh: FloatArray, tables: Tables) -> dict[str, FloatArray]:
    """Return the parts of the cost by name, each of shape (n_steps,) [USD]; none for a tariff that has only one.

    `energy_cost_off_peak_usd` and, where the tariff has two prices, `energy_cost_peak_usd` at the higher one; with a
    demand charge `demand_cost_usd`: charge x what the hour lifts the highest import of its month.
    """
    energy = import_kwh * price_usd_per_kwh
    charge = tables.demand_charge_usd_per_kw
    parts = {}
    prices = np.unique(price_usd_per_kwh)
    if len(prices) == PEAK_TARIFF_PRICES:
        is_peak = price_usd_per_kwh == prices[-1]
        parts = {
            "energy_cost_off_peak_usd": np.where(is_peak, 0.0, energy),
            "energy_cost_peak_usd": np.where(is_peak, energy, 0.0),
        }
    if charge > 0.0:
        parts = parts or {"energy_cost_off_peak_usd": energy}
        parts["demand_cost_usd"] = demand_cost_usd(import_kwh, tables.month_start[0], charge)
    return parts


@cache
def _timestamps(calendar_year: int, n_steps: int) -> "pd.Index[str]":
    return pd.date_range(f"{calendar_year}-01-01", periods=n_steps, freq="h").strftime("%Y-%m-%d %H:%M")


@dataclass(frozen=True)
class SessionOutcomes:
    """How every session ended; arrays of shape (n_sessions,).

    Attributes
    ----------
    departure_soc : ndarray
        SOC in which the car left.
    departure_day : ndarray of int64
        Day in which it left, the first being 0; a car that leaves at midnight left in the day that ends there.
    shortfall_soc : ndarray
        SOC that it lacked to min(required SOC, SOC that full power from arrival reaches), 0 at least.
    unmet_kwh : ndarray
        Energy that it lacked to the SOC that it could have left with, on the site's side [kWh]. Under an import limit
        the value is negative for a car that got more than the best plan gave it. Several plans are equally good and
        leave other cars short, so lacks are summed over a day before they count.
    overdelivered_kwh : ndarray
        The energy beyond max(required, arrival SOC), on the site's side [kWh].
    """

    departure_soc: FloatArray
    departure_day: IntArray
    shortfall_soc: FloatArray
    unmet_kwh: FloatArray
    overdelivered_kwh: FloatArray

    def unmet_of_day(self, n_days: int) -> FloatArray:
        """Return the unmet energy of each day, 0 at least, shape (n_days,) [kWh]."""
        return np.maximum(np.bincount(self.departure_day, self.unmet_kwh, minlength=n_days), 0.0)


def session_outcomes(rollout: Rollout, year: Year) -> SessionOutcomes:
    """Return how every session of the year ended.

    Parameters
    ----------
    rollout, year : Rollout, Year
        A policy's rollout over the year.
    """
    setting, sessions = year.setting, year.site.sessions
    years = setting.years
    departure_soc = rollout.ev_soc[sessions.departure_step - 1, sessions.charger]
    row = session_rows(years, 0, sessions)
    kwh_per_soc = (setting.equipment.ev_capacity_kwh / setting.equipment.charger_efficiency)[sessions.charger]
    required, arrival = years.session_required_soc[0, row], years.session_arrival_soc[0, row]
    reachable = setting.tables.target_soc[0, row]
    unmet = year.target_soc - np.minimum(departure_soc, reachable)
    surplus = np.maximum(departure_soc - np.maximum(required, arrival), 0.0)
    return SessionOutcomes(
        departure_soc=departure_soc,
        departure_day=(sessions.departure_step - 1) // HOURS_PER_DAY,
        shortfall_soc=np.maximum(reachable - departure_soc, 0.0),
        unmet_kwh=unmet * kwh_per_soc,
        overdelivered_kwh=surplus * kwh_per_soc,
    )


def month_peaks_kw(import_kwh: FloatArray, month_start: FloatArray) -> FloatArray:
    """Return the highest import of each month, shape (n_months,) [kW]; `month_start` is 1 where a month starts."""
    return np.asarray(np.maximum.reduceat(import_kwh, np.flatnonzero(month_start)))


def n_days(n_steps: int) -> int:
    """Return the number of days that steps fill; a part of a day counts as one."""
    return -(-n_steps // HOURS_PER_DAY)


def key_figures(series: pd.DataFrame, outcomes: SessionOutcomes, evening: FloatArray) -> dict[str, Any]:
    """Compute the key figures of a year that its hours and sessions give.

    Parameters
    ----------
    series : DataFrame
        From `make_timeseries`.
    outcomes : SessionOutcomes
        From `session_outcomes`.
    evening : ndarray, shape (n_steps,)
        1 in the evening-peak hours.

    Returns
    -------
    dict
        From `n_steps` to `reward` of the table in `key_figures.py`, in its order.
    """
    figures: dict[str, Any] = {"n_steps": len(series)}
    summed = [*SUMMED, *(name for name in PARTS_OF_COST if name in series)]
    figures |= {name: fsum(series[name]) for name in summed}
    pv_kwh = figures["pv_generation_kwh"]
    n_sessions = len(outcomes.departure_soc)
    served = int((outcomes.shortfall_soc <= SERVICE_TOLERANCE_SOC).sum())
    evening_import = series["grid_import_kwh"].to_numpy()[evening > 0]
    return figures | {
        "peak_import_kw": float(series["grid_import_kwh"].max()),
        "evening_peak_import_kw": float(evening_import.max()) if len(evening_import) else 0.0,
        "self_consumption": 1.0 - figures["grid_export_kwh"] / pv_kwh if pv_kwh > 0 else None,
        "ev_sessions": n_sessions,
        "ev_service": served / n_sessions if n_sessions else None,
        "ev_unmet_kwh": fsum(outcomes.unmet_of_day(n_days(len(series)))),
        "ev_overdelivered_kwh": fsum(outcomes.overdelivered_kwh),
        "reward": {term: fsum(series[f"reward_{term}"]) for term in (*TERMS, "total")},
    }
