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

which `ROUNDINGS` (L + P + R + B) + C + K exceeds. An error of an SOC is imported in another hour, so an hour's error
counts with the highest intensity and price of the year. The error of a month's highest import is at most that of its
hour and, through the battery, of the hours since the battery was last full or empty, which are taken to be a day.

`SAFETY` covers what the table leaves out, all of it smaller than the table: the solver's tolerances (1e-9 for each of
a handful of rows an hour, 1e-6 kWh a year under an import limit), needs that count as whole hours
(`optimum.fleet.ROUNDING`), losses between SOC and grid, and float64.
"""

import numpy as np

from iquitos_citylearn.env.year import Year
from iquitos_citylearn.site.clock import HOURS_PER_DAY

UNIT_ROUNDOFF = 2.0**-24
"""Of float32: largest relative error of a rounded number."""
ROUNDINGS = 4
"""Most often that one energy is rounded within an hour."""
N_RUNS = 2
"""Years whose difference a gain is."""
SAFETY = 2.0


def resolution(year: Year) -> dict[str, float]:
    """Return the smallest gains of a year that can be told from rounding, `co2_kg` [kg] and `cost_usd` [USD]."""
    equipment, years, tables = year.setting.equipment, year.setting.years, year.setting.tables
    energy_kwh = years.load_kwh[0] + years.pv_kwh[0] + equipment.max_charging_power_kw.sum()
    capacity_kwh = float(equipment.ev_capacity_kwh.sum())
    if equipment.bess_present:
        energy_kwh = energy_kwh + float(equipment.bess[0]["nominal_power_kw"])
        capacity_kwh += float(equipment.bess[0]["capacity_kwh"])
    error_kwh = N_RUNS * SAFETY * UNIT_ROUNDOFF * (ROUNDINGS * energy_kwh + capacity_kwh)
    n_steps, n_months = len(error_kwh), int(tables.month_start[0].sum())
    peak_error_kw = float(np.add.reduceat(error_kwh, np.arange(0, n_steps, HOURS_PER_DAY)).max())
    energy_usd = float(error_kwh.sum() * years.price_usd_per_kwh[0].max())
    return {
        "co2_kg": float(error_kwh.sum() * years.carbon_kg_per_kwh[0].max()),
        "cost_usd": energy_usd + n_months * tables.demand_charge_usd_per_kw * peak_error_kw,
    }
