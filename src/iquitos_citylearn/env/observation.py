"""What the agent sees: one table, one compiled function, used over the twin and over CityLearn alike.

An observation has `n_site_features(forecast_hours)` site entries, then `CHARGER_FEATURES` entries for each charger.

========================  =====================================================================  ==========
site entry                meaning at the decision of step t                                      range
========================  =====================================================================  ==========
hour_sin, hour_cos        hour of the day that starts now, on the circle                         -1 .. 1
price                     tariff of the hour that starts now, over the year's highest |tariff|   -1 .. 1
carbon_intensity          grid intensity metered in the hour before, over the year's highest     0 .. 1
pv_last                   PV energy metered in the hour before, over the reference power         0 .. 1
load_last                 mall load metered in the hour before, over the reference power         0 .. 1
bess_soc                  state of charge of the stationary battery (0 without one)              0 .. 1
occupancy                 share of chargers with a car                                           0 .. 1
fleet_power_needed        power the cars could still use up to their need, over all ratings      0 .. 1
pv_forecast_1 .. H        forecast of the PV energy of hour t, t+1, ..., over the reference      0 .. 1
month_peak                highest import of the month so far, over the reference power; only     0 .. 1
                          with a demand charge or the battery under the agent
========================  =====================================================================  ==========

========================  =====================================================================  ==========
charger entry             meaning                                                                range
========================  =====================================================================  ==========
connected                 1 with a car, else 0 (and then all entries are 0)                      0 or 1
energy_needed             hours at full power up to the required SOC, over the energy horizon    0 .. 1
energy_to_full            hours at full power up to a full battery, over the energy horizon      0 .. 1
time_to_departure         actions left before the car leaves, over the departure horizon         0 .. 1
========================  =====================================================================  ==========

The reference power is the PV rating or the sum of charger ratings, whichever is higher. Entries are clipped to
their range. Metered values are those of the hour before: nothing shows the future but the forecast, which has an
error (`env/tables.py`), and the departure time and need, which drivers state when they plug in.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from iquitos_citylearn.env.kernels import kernel
from iquitos_citylearn.env.physics import Equipment, Years
from iquitos_citylearn.env.tables import Tables
from iquitos_citylearn.params import EnvironmentParams
from iquitos_citylearn.site.model import FloatArray

SITE_FEATURES_BEFORE_FORECAST = (
    "hour_sin",
    "hour_cos",
    "price",
    "carbon_intensity",
    "pv_last",
    "load_last",
    "bess_soc",
    "occupancy",
    "fleet_power_needed",
)
CHARGER_FEATURES = ("connected", "energy_needed", "energy_to_full", "time_to_departure")
N_CHARGER_FEATURES = len(CHARGER_FEATURES)
_BESS_SOC = SITE_FEATURES_BEFORE_FORECAST.index("bess_soc")
_FLEET_POWER_NEEDED = SITE_FEATURES_BEFORE_FORECAST.index("fleet_power_needed")


class Horizons(NamedTuple):
    """Scales of the charger entries [h]."""

    energy_hours: float
    departure_hours: float


def make_horizons(params: EnvironmentParams) -> Horizons:
    """Return the scales of the charger entries."""
    return Horizons(float(params.energy_horizon_hours), float(params.departure_horizon_hours))


def forecast_hours(tables: Tables) -> int:
    """Return how many hours the PV forecast reaches ahead."""
    return tables.site_entries.shape[2] - len(SITE_FEATURES_BEFORE_FORECAST)


def n_site_features(n_hours_ahead: int, n_peak_entries: int = 0) -> int:
    """Return the number of entries before the chargers' own (`n_peak_entries`: 1 with `month_peak`)."""
    return len(SITE_FEATURES_BEFORE_FORECAST) + n_hours_ahead + n_peak_entries


def observation_names(n_hours_ahead: int, charger_names: list[str], n_peak_entries: int = 0) -> list[str]:
    """Return the name of every entry, in order."""
    site = [*SITE_FEATURES_BEFORE_FORECAST, *(f"pv_forecast_{hour + 1}" for hour in range(n_hours_ahead))]
    site += ["month_peak"] * n_peak_entries
    return site + [f"{charger}_{feature}" for charger in charger_names for feature in CHARGER_FEATURES]


def observation_low(n_hours_ahead: int, n_chargers: int, n_peak_entries: int = 0) -> NDArray[np.float32]:
    """Return the lower bound of every entry, float32, shape (n_observations,)."""
    n_entries = n_site_features(n_hours_ahead, n_peak_entries) + N_CHARGER_FEATURES * n_chargers
    low = np.zeros(n_entries, dtype=np.float32)
    low[:3] = -1.0
    return low


@kernel(inline="always")
def full_power_hours(soc_gap: float, capacity_kwh: float, efficiency: float, rating_kw: float) -> float:
    """Return the hours at full power that close a gap of SOC; 0 for a negative gap."""
    return max(soc_gap, 0.0) * capacity_kwh / (efficiency * rating_kw)


@kernel()
def write_observation(
    out: NDArray[np.float32],
    equipment: Equipment,
    years: Years,
    tables: Tables,
    horizons: Horizons,
    y: int,
    t: int,
    ev_soc: FloatArray,
    bess_soc: float,
) -> None:
    """Write the observation before the action of step t of year y, but for `month_peak` (`env/settlement.py`).

    Parameters
    ----------
    out : ndarray of float32, shape (n_observations,)
        Where it goes.
    ev_soc : ndarray, shape (n_chargers,)
        SOC of the connected cars (any number where none is).
    bess_soc : float
        SOC of the stationary battery, 0 without one.
    """
    n_steps = years.load_kwh.shape[1]
    n_site_entries = tables.site_entries.shape[2]
    first = n_site_entries + tables.n_peak_entries
    out[:] = 0.0
    if t >= n_steps:
        return
    for entry in range(n_site_entries):
        out[entry] = tables.site_entries[y, t, entry]
    out[_BESS_SOC] = bess_soc
    connected, last = years.connected_first[y, t], years.connected_first[y, t + 1]
    power_needed_kw = 0.0
    for k in range(connected, last):
        c, session = years.connected_charger[y, k], years.connected_session[y, k]
        rating_kw = equipment.max_charging_power_kw[c]
        soc = float(ev_soc[c])
        gap = years.session_required_soc[y, session] - soc
        needed = full_power_hours(gap, equipment.ev_capacity_kwh[c], equipment.charger_efficiency[c], rating_kw)
        to_full = full_power_hours(1.0 - soc, equipment.ev_capacity_kwh[c], equipment.charger_efficiency[c], rating_kw)
        hours_left = years.session_departure_step[y, session] - t
        power_needed_kw += rating_kw * min(1.0, needed)
        at = first + N_CHARGER_FEATURES * c
        out[at] = 1.0
        out[at + 1] = min(1.0, needed / horizons.energy_hours)
        out[at + 2] = min(1.0, to_full / horizons.energy_hours)
        out[at + 3] = min(1.0, hours_left / horizons.departure_hours)
    out[_FLEET_POWER_NEEDED] = power_needed_kw / tables.total_charger_rating_kw
