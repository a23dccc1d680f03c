"""Service-adjusted figures: energy that a car lacked counts as imported in the day's dearest hour.

A policy can then not gain by leaving cars empty.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from iquitos_citylearn.env.demand import demand_cost_usd
from iquitos_citylearn.env.year import Year
from iquitos_citylearn.site.clock import HOURS_PER_DAY
from iquitos_citylearn.site.model import FloatArray, IntArray

NOTHING_TO_GAIN = 1e-9
"""Smallest difference between uncontrolled and optimum of which a share is taken."""


@dataclass(frozen=True)
class ServiceAdjusted:
    """A year with the energy that cars lacked added to its imports.

    Attributes
    ----------
    import_kwh : ndarray, shape (n_steps,)
        Imports [kWh].
    co2_kg, cost_usd, peak_import_kw : float
        Of these imports [kg, USD, kW].
    """

    import_kwh: FloatArray
    co2_kg: float
    cost_usd: float
    peak_import_kw: float


def service_adjusted(series: pd.DataFrame, unmet_of_day_kwh: FloatArray, year: Year) -> ServiceAdjusted:
    """Add what cars lacked to the imports of the dearest hour of the day in which they left.

    The dearest hour has the highest tariff, of those the highest import, of those it is the earliest.

    Parameters
    ----------
    series : DataFrame
        From `kpis.make_timeseries`; `grid_import_kwh` is used.
    unmet_of_day_kwh : ndarray, shape (n_days,)
        Energy that the cars leaving on each day lacked, site side [kWh] (`kpis.SessionOutcomes.unmet_of_day`).
    year : Year
        Tariff, demand charge and carbon intensity are used.
    """
    import_kwh = series["grid_import_kwh"].to_numpy(dtype=np.float64, copy=True)
    years, tables = year.setting.years, year.setting.tables
    price, carbon = years.price_usd_per_kwh[0], years.carbon_kg_per_kwh[0]
    lacking = np.flatnonzero(unmet_of_day_kwh > 0.0)
    import_kwh[_dearest_hours(price, import_kwh)[lacking]] += unmet_of_day_kwh[lacking]
    demand = tables.month_start[0], tables.demand_charge_usd_per_kw
    return ServiceAdjusted(
        import_kwh=import_kwh,
        co2_kg=float(import_kwh @ carbon),
        cost_usd=float(import_kwh @ price) + float(demand_cost_usd(import_kwh, *demand).sum()),
        peak_import_kw=float(import_kwh.max()),
    )


def captured_share(uncontrolled: float, policy: float, optimum: float) -> float | None:
    """Return the share of what there is to gain that a policy gains; None where there is nothing to gain.

    Parameters
    ----------
    uncontrolled, policy, optimum : float
        A figure of which less is better, of charging at once, of the policy, and of the replayed optimum.

    Notes
    -----
    (uncontrolled - policy) / (uncontrolled - optimum): 0 for charging at once, 1 for the optimum, negative for a
    policy that does worse than charging at once.
    """
    gain = uncontrolled - optimum
    return None if abs(gain) <= NOTHING_TO_GAIN else (uncontrolled - policy) / gain


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A year under charging at once to full, and at its optimum: what shares are taken of.

    Attributes
    ----------
    uncontrolled_co2_kg, uncontrolled_cost_usd : float
        Charging at once, at full power, until full, service-adjusted [kg, USD].
    optimum_co2_kg, optimum_cost_usd : float
        What the plan of least CO2, and the plan of least cost, reach in the simulator [kg, USD].
    bound_co2_kg, bound_cost_usd : float
        Values of the linear programs [kg, USD]. Out of reach with a battery on automatic dispatch, which they dispatch
        freely.
    """

    uncontrolled_co2_kg: float
    uncontrolled_cost_usd: float
    optimum_co2_kg: float
    optimum_cost_usd: float
    bound_co2_kg: float
    bound_cost_usd: float


def captured_shares(figures: Mapping[str, Any], reference: Reference) -> dict[str, float | None]:
    """Return the captured shares of a policy in a year.

    Parameters
    ----------
    figures : mapping
        Key figures of the year; `co2_kg`, and `co2_kg` and `cost_usd` of `adjusted`.
    reference : Reference
        Of the same year.

    Returns
    -------
    dict
        `captured_share_co2` and `captured_share_cost`, service-adjusted, and `plain_share_co2`, which starving cars
        can raise.
    """
    co2, cost = figures["adjusted"]["co2_kg"], figures["adjusted"]["cost_usd"]
    uncontrolled, optimum = reference.uncontrolled_co2_kg, reference.optimum_co2_kg
    return {
        "captured_share_co2": captured_share(uncontrolled, co2, optimum),
        "captured_share_cost": captured_share(reference.uncontrolled_cost_usd, cost, reference.optimum_cost_usd),
        "plain_share_co2": captured_share(uncontrolled, figures["co2_kg"], optimum),
    }


def _dearest_hours(price: FloatArray, import_kwh: FloatArray) -> IntArray:
    """Return the step of the dearest hour of each day."""
    steps = np.arange(len(price))
    day = steps // HOURS_PER_DAY
    order = np.lexsort((steps, -import_kwh, -price, day))
    return np.asarray(order[np.flatnonzero(np.diff(day[order], prepend=-1))], dtype=np.int64)
