"""The observation: one table and one compiled function, the same over the twin and over CityLearn.

An observation has the site's entries first, then those of each charger. `env/features.py` names their positions.

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
month_elapsed             hours since the month began, over those of 31 days; this and the rest  0 .. 1
                          only with the battery under the agent (paths: `env/night.py`)
load_residual             residual of the load metered in the hour before, over 4 std            -1 .. 1
time_to_refill            hours until PV refills the battery, over 24                            0 .. 1
price_ahead               mean tariff of these hours, over the year's highest |tariff|           -1 .. 1
pv_ahead                  share of a mean day's PV that comes after the forecast                 0 .. 1
bess_usable               energy in the battery that can be used, over what a full one has       0 .. 1
month_peak_level          highest import of the month so far, over the level scale               0 .. 1
shortage                  what the battery lacks on the expected path, over a full one's         0 .. 1
level                     least constant import with which it lasts, over the level scale        0 .. 1
shortage_careful          the same on the path with the load one standard deviation higher       0 .. 1
level_careful                                                                                    0 .. 1
level_target              import target of the rule `level`, over the level scale                0 .. 1
========================  =====================================================================  ==========

========================  =====================================================================  ==========
charger entry             meaning                                                                range
========================  =====================================================================  ==========
connected                 1 with a car, else 0 (and then all entries are 0)                      0 or 1
energy_needed             hours at full power up to the required SOC, over the energy horizon    0 .. 1
energy_to_full            hours at full power up to a full battery, over the energy horizon      0 .. 1
time_to_departure         actions left before the car leaves, over the departure horizon         0 .. 1
========================  =====================================================================  ==========

The reference power is the PV rating or the sum of charger ratings, whichever is higher. The level scale is the highest
mean of load and cars in an hour of the day, of the training years. Entries are clipped to
their range. Metered values are those of the hour before. Only two things tell of the future: the forecast, which has
an error (`env/tables.py`), and the departure time and the need, which drivers state when they plug in.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from iquitos_citylearn.env.features import (
    BESS_SOC,
    CHARGER_FEATURES,
    CONNECTED,
    ENERGY_NEEDED,
    ENERGY_TO_FULL,
    FLEET_POWER_NEEDED,
    HOUR_COS,
    HOUR_SIN,
    LOOKAHEAD_FEATURES,
    N_CHARGER_FEATURES,
    PRICE,
    SITE_FEATURES_BEFORE_FORECAST,
    TIME_TO_DEPARTURE,
)
from iquitos_citylearn.env.kernels import inner_kernel, kernel
from iquitos_citylearn.env.lookahead import LOAD_RESIDUAL, PRICE_AHEAD, Lookahead, write_lookahead
from iquitos_citylearn.env.physics import Equipment, YearArrays, dispatches_bess
from iquitos_citylearn.env.tables import Tables
from iquitos_citylearn.params import EnvironmentParams
from iquitos_citylearn.site.model import FloatArray

N_LOOKAHEAD_FEATURES = len(LOOKAHEAD_FEATURES)


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


def site_features(tables: Tables, equipment: Equipment) -> list[str]:
    """Return the names of the entries before those of the first charger, in order."""
    names = [*SITE_FEATURES_BEFORE_FORECAST, *(f"pv_forecast_{hour + 1}" for hour in range(forecast_hours(tables)))]
    if tables.settles_month_peak:
        names.append("month_peak")
    if dispatches_bess(equipment):
        names += LOOKAHEAD_FEATURES
    return names


def observation_names(tables: Tables, equipment: Equipment, charger_names: list[str]) -> list[str]:
    """Return the name of every entry, in order."""
    of_chargers = [f"{charger}_{feature}" for charger in charger_names for feature in CHARGER_FEATURES]
    return site_features(tables, equipment) + of_chargers


def observation_low(tables: Tables, equipment: Equipment) -> NDArray[np.float32]:
    """Return the lower bound of every entry, float32, shape (n_observations,)."""
    names = site_features(tables, equipment)
    low = np.zeros(len(names) + N_CHARGER_FEATURES * len(equipment.ev_capacity_kwh), dtype=np.float32)
    low[[HOUR_SIN, HOUR_COS, PRICE]] = -1.0
    if dispatches_bess(equipment):
        first = len(names) - len(LOOKAHEAD_FEATURES)
        low[[first + LOAD_RESIDUAL, first + PRICE_AHEAD]] = -1.0
    return low


@kernel()
def needed_kw(equipment: Equipment, years: YearArrays, y: int, t: int, ev_soc: FloatArray) -> float:
    """Return the power that the connected cars can use up to their need in the hour of step t of year y [kW]."""
    total = 0.0
    for k in range(years.connected_first[y, t], years.connected_first[y, t + 1]):
        c, session = years.connected_charger[y, k], years.connected_session[y, k]
        gap = years.session_required_soc[y, session] - ev_soc[c]
        rating_kw = equipment.max_charging_power_kw[c]
        needed = full_power_hours(gap, equipment.ev_capacity_kwh[c], equipment.charger_efficiency[c], rating_kw)
        total += rating_kw * min(1.0, needed)
    return total


@kernel(inline="always")
def full_power_hours(soc_gap: float, capacity_kwh: float, efficiency: float, rating_kw: float) -> float:
    """Return the hours at full power that close a gap of SOC; 0 for a negative gap."""
    return max(soc_gap, 0.0) * capacity_kwh / (efficiency * rating_kw)


@inner_kernel
def write_observation(
    out: NDArray[np.float32],
    equipment: Equipment,
    years: YearArrays,
    tables: Tables,
    lookahead: Lookahead,
    horizons: Horizons,
    y: int,
    t: int,
    ev_soc: FloatArray,
    bess_soc: float,
    peak_kw: float,
) -> None:
    """Write the observation before the action of step t of year y; zeros after the year's last step.

    Parameters
    ----------
    out : ndarray of float32, shape (n_observations,)
        Where it goes.
    ev_soc : ndarray, shape (n_chargers,)
        SOC of the connected cars (any number where none is).
    bess_soc : float
        SOC of the stationary battery, 0 without one.
    peak_kw : float
        Highest import of the month so far [kW]; without effect where no peak is settled.
    """
    n_steps = years.load_kwh.shape[1]
    n_site_entries = tables.site_entries.shape[2]
    out[:] = 0.0
    if t >= n_steps:
        return
    for entry in range(n_site_entries):
        out[entry] = tables.site_entries[y, t, entry]
    out[BESS_SOC] = bess_soc
    first = n_site_entries
    if tables.settles_month_peak:
        out[first] = min(1.0, peak_kw / tables.reference_power_kw)
        first += 1
    at_lookahead = first
    if dispatches_bess(equipment):
        first += N_LOOKAHEAD_FEATURES
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
        out[at + CONNECTED] = 1.0
        out[at + ENERGY_NEEDED] = min(1.0, needed / horizons.energy_hours)
        out[at + ENERGY_TO_FULL] = min(1.0, to_full / horizons.energy_hours)
        out[at + TIME_TO_DEPARTURE] = min(1.0, hours_left / horizons.departure_hours)
    out[FLEET_POWER_NEEDED] = power_needed_kw / tables.total_charger_rating_kw
    if dispatches_bess(equipment):
        write_lookahead(out, at_lookahead, lookahead, y, t, bess_soc, peak_kw, power_needed_kw)
