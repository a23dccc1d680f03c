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
from iquitos_citylearn.env.year import Year
from iquitos_citylearn.evaluation.key_figures import SUMMED, SUMMED_WITH_DEMAND_CHARGE
from iquitos_citylearn.policies.rollout import Rollout
from iquitos_citylearn.site.clock import HOURS_PER_DAY
from iquitos_citylearn.site.model import FloatArray, IntArray

SERVICE_TOLERANCE_SOC = 0.01
"""A session is served when it leaves within this of what it needed, or of all that was feasible."""


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
        Energies of the battery are on the site's side. With a demand charge also the two parts of `cost_usd`,
        `energy_cost_usd` and `demand_cost_usd`: charge x what the hour lifts the highest import of its month.
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
    if tables.demand_charge_usd_per_kw > 0.0:
        demand = demand_cost_usd(grid_import, tables.month_start[0], tables.demand_charge_usd_per_kw)
        table |= {"energy_cost_usd": table["cost_usd"], "demand_cost_usd": demand}
        table["cost_usd"] = table["energy_cost_usd"] + demand
    rewards = {f"reward_{term}": rollout.reward_terms[:, index] for index, term in enumerate(TERMS)}
    return pd.DataFrame(table | rewards | {"reward_total": rollout.reward_terms.sum(axis=1)})


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
        What it lacked to min(required, what charging at full power from arrival reaches), 0 at least.
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
        """Return what cars lacked in each day, 0 at least, shape (n_days,) [kWh]."""
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
    summed = [*SUMMED, *(name for name in SUMMED_WITH_DEMAND_CHARGE if name in series)]
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
