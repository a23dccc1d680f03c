"""The smallest gain that can be told from rounding.

A gain is the difference of two simulated years. CityLearn and its twin round every energy and every state of charge to
float32, each time by up to `UNIT_ROUNDOFF` of its size. In an hour with load L, PV P, ratings R of the chargers and
power B of the battery, these roundings add up to no more than

==========================================  ==================================
rounded                                     error / unit roundoff
==========================================  ==================================
energies of the chargers, twice             2 R
energy of the battery                       B
load + battery                              L + B
load + battery - PV                         L + B + P
sum of the chargers                         R
net consumption                             L + B + P + R
SOC of the battery, of capacity C           C
SOCs of the cars, of capacities K together  K
==========================================  ==================================

which `ROUNDINGS` (L + P + R + B) + C + K exceeds. An error of an SOC is imported in another hour, or not delivered to a
car, so an hour's error counts with the highest prices that the objective has in the year (`optimum.program.Prices`).
The error of a highest import is at most that of its hour and, through the battery, of the hours since the battery was
last full or empty, which are taken to be a day.

`SAFETY` covers what the table leaves out, all of it smaller than the table: the solver's tolerances (1e-9 for each of
a handful of rows an hour, 1e-6 kWh a year under an import limit), needs that count as whole hours
(`optimum.fleet.ROUNDING`), losses between SOC and grid, and float64.
"""

import numpy as np

from iquitos_citylearn.env.year import Year
from iquitos_citylearn.optimum.objectives import objective_named
from iquitos_citylearn.site.clock import HOURS_PER_DAY
from iquitos_citylearn.site.model import FloatArray

UNIT_ROUNDOFF = 2.0**-24
"""Of float32: largest relative error of a rounded number."""
ROUNDINGS = 4
"""Most often that one energy is rounded within an hour."""
N_RUNS = 2
"""Years whose difference a gain is."""
SAFETY = 2.0


def resolution(year: Year, objective: str) -> float:
    """Return the smallest gain of a year that can be told from rounding, in the unit of an objective.

    Parameters
    ----------
    year : Year
        The year.
    objective : str
        A name in `optimum.objectives`.
    """
    prices, month_start = objective_named(objective).prices(year), year.setting.tables.month_start[0]
    error_kwh = _hourly_error(year)
    peak_error_kw = float(np.add.reduceat(error_kwh, np.arange(0, len(error_kwh), HOURS_PER_DAY)).max())
    of_energy = sum(float(np.abs(series).max()) for series in (prices.grid_import, prices.grid_export, prices.stored))
    of_peaks = prices.peak + float(month_start.sum()) * prices.month_peak
    return (of_energy + prices.unmet) * float(error_kwh.sum()) + of_peaks * peak_error_kw


def _hourly_error(year: Year) -> FloatArray:
    """Return the largest difference that rounding can make to the import of each hour, shape (n_steps,) [kWh]."""
    equipment, years = year.setting.equipment, year.setting.years
    energy_kwh = years.load_kwh[0] + years.pv_kwh[0] + equipment.max_charging_power_kw.sum()
    capacity_kwh = equipment.ev_capacity_kwh.sum()
    if equipment.bess_present:
        energy_kwh = energy_kwh + equipment.bess[0]["nominal_power_kw"]
        capacity_kwh += equipment.bess[0]["capacity_kwh"]
    return np.asarray(N_RUNS * SAFETY * UNIT_ROUNDOFF * (ROUNDINGS * energy_kwh + capacity_kwh))
