"""Service-adjusted figures: unmet energy counts as imported in the dearest hour of its day.

So a policy cannot gain by leaving cars empty.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from iquitos_citylearn.env.demand import demand_cost_usd
from iquitos_citylearn.env.year import Year
from iquitos_citylearn.site.clock import HOURS_PER_DAY
from iquitos_citylearn.site.model import FloatArray, IntArray


@dataclass(frozen=True)
class ServiceAdjusted:
    """A year with its unmet energy added to the imports.

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
    """Add unmet energy to the import of the dearest hour of the day in which the car left.

    The dearest hour is the one with the highest tariff; of several the one with the highest import; of several the
    earliest.

    Parameters
    ----------
    series : DataFrame
        From `kpis.make_timeseries`; `grid_import_kwh` is used.
    unmet_of_day_kwh : ndarray, shape (n_days,)
        Unmet energy of the cars that leave on each day, site side [kWh] (`kpis.SessionOutcomes.unmet_of_day`).
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


def _dearest_hours(price: FloatArray, import_kwh: FloatArray) -> IntArray:
    """Return the step of the dearest hour of each day."""
    steps = np.arange(len(price))
    day = steps // HOURS_PER_DAY
    order = np.lexsort((steps, -import_kwh, -price, day))
    return np.asarray(order[np.flatnonzero(np.diff(day[order], prepend=-1))], dtype=np.int64)
