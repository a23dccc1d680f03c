"""The site as data: one year of series, the sessions, the equipment.

Everything that makes a site (the generators, the reader of a CityLearn data set, the reader of a compact draw)
ends in a `Site`; everything that runs one (the twin, CityLearn, the optimum) starts from it.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from iquitos_citylearn.params import BessDispatch, import_limit_problem

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Curve = tuple[tuple[float, ...], tuple[float, ...]]

FLAT_POWER: Curve = ((0.0, 1.0), (1.0, 1.0))
"""Capacity-power curve of a battery that has its nominal power at any state of charge."""


def flat_efficiency(efficiency: float) -> Curve:
    """Return the power-efficiency curve of a battery with one efficiency at any power."""
    return ((0.0, 1.0), (efficiency, efficiency))


@dataclass(frozen=True, kw_only=True)
class Battery:
    """A stationary battery or the battery of a car, with CityLearn's attributes.

    Attributes
    ----------
    energy_capacity_kwh : float
        Capacity C [kWh].
    nominal_power_kw : float
        Largest charging and discharging power P [kW].
    initial_soc : float
        State of charge at step 0, as a fraction of C.
    depth_of_discharge : float
        1 minus the lowest state of charge.
    power_efficiency_curve : tuple of two tuples
        Power as a fraction of P, and round-trip efficiency there.
    capacity_power_curve : tuple of two tuples
        State of charge, and the share of P available there.
    loss_coefficient : float
        Share of the state of charge lost per step.
    capacity_loss_coefficient : float
        Capacity fade per cycled capacity.
    """

    energy_capacity_kwh: float
    nominal_power_kw: float
    initial_soc: float
    depth_of_discharge: float
    power_efficiency_curve: Curve
    capacity_power_curve: Curve = FLAT_POWER
    loss_coefficient: float = 0.0
    capacity_loss_coefficient: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Charger:
    """A charger and the one car that uses it.

    Attributes
    ----------
    name : str
        Name of the charger and of its file, `charger_001`.
    max_charging_power_kw, min_charging_power_kw : float
        Rating, and the power below which it does not charge [kW]; both on the site's side.
    efficiency : float
        One-way efficiency of the charger, site to car.
    ev : Battery
        Battery of the car.
    """

    name: str
    max_charging_power_kw: float
    efficiency: float
    ev: Battery
    min_charging_power_kw: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Sessions:
    """Charging sessions, sorted by charger, then by arrival; all arrays of shape (n_sessions,).

    Attributes
    ----------
    charger : ndarray of int64
        Index of the charger.
    arrival_step, departure_step : ndarray of int64
        First connected row, and the first row in which the car is gone: `departure_step - arrival_step` actions.
    arrival_soc, required_soc : ndarray of float64
        State of charge at arrival, and wanted at departure, as fractions.
    """

    charger: IntArray
    arrival_step: IntArray
    departure_step: IntArray
    arrival_soc: FloatArray
    required_soc: FloatArray

    def __len__(self) -> int:
        """Return the number of sessions."""
        return len(self.charger)


@dataclass(frozen=True, kw_only=True)
class Weather:
    """Hourly weather, arrays of shape (n_steps,).

    Attributes
    ----------
    temp_air_c, relative_humidity_percent : ndarray
        Air temperature [C] and relative humidity [%].
    ghi_w_per_m2, dni_w_per_m2, dhi_w_per_m2 : ndarray
        Global horizontal, direct normal and diffuse horizontal irradiance [W/m2].
    wind_speed_m_per_s : ndarray or None
        Wind speed [m/s], where a weather file has it. Only the simulation of PV needs it; a site does not keep it.
    """

    temp_air_c: FloatArray
    relative_humidity_percent: FloatArray
    dhi_w_per_m2: FloatArray
    dni_w_per_m2: FloatArray
    ghi_w_per_m2: FloatArray
    wind_speed_m_per_s: FloatArray | None = None


WEATHER_SERIES = ("temp_air_c", "relative_humidity_percent", "dhi_w_per_m2", "dni_w_per_m2", "ghi_w_per_m2")
"""Series of the weather that a site keeps and its files hold."""


@dataclass(frozen=True, kw_only=True)
class Site:
    """One year (or less) of a site: series of shape (n_steps,), sessions, equipment.

    Attributes
    ----------
    month, hour, day_type : ndarray of int64
        CityLearn's calendar: month 1-12, hour 1-24 (row 0 is hour 1), day type 1 (Monday) to 7, 8 for holidays.
    load_kwh, pv_kwh : ndarray
        Mall load and AC generation of the hour that starts at the row [kWh].
    price_usd_per_kwh, carbon_kg_per_kwh : ndarray
        Tariff and grid intensity of imported energy.
    weather : Weather
        Weather of the site.
    pv_rated_power_kwp : float
        Rated DC power [kWp].
    bess : Battery or None
        The stationary battery.
    bess_dispatch : BessDispatch
        `automatic`: the battery covers the deficit and takes the surplus by itself; `agent`: the agent dispatches it;
        `none`: there is no battery.
    demand_charge_usd_per_kw_month : float
        Charge on the highest hourly import of each calendar month; 0 for none.
    import_limit_kw : float or None
        Import that the requests of chargers and battery are cut down to [kW]; None without a limit.
    chargers : tuple of Charger
        Chargers with their cars.
    sessions : Sessions
        Who is connected when.

    Raises
    ------
    ValueError
        When `bess_dispatch` does not agree with `bess`, or the import limit is not allowed (`import_limit_problem`).
    """

    month: IntArray
    hour: IntArray
    day_type: IntArray
    load_kwh: FloatArray
    pv_kwh: FloatArray
    price_usd_per_kwh: FloatArray
    carbon_kg_per_kwh: FloatArray
    weather: Weather
    pv_rated_power_kwp: float
    bess: Battery | None
    bess_dispatch: BessDispatch
    demand_charge_usd_per_kw_month: float = 0.0
    import_limit_kw: float | None = None
    chargers: tuple[Charger, ...] = field(default_factory=tuple)
    sessions: Sessions

    def __post_init__(self) -> None:
        """Refuse a battery, a dispatch and an import limit that do not go together."""
        if (self.bess is None) != (self.bess_dispatch == "none"):
            allowed = "none without a battery" if self.bess is None else "automatic or agent with a battery"
            raise ValueError(f"bess_dispatch is {self.bess_dispatch}; allowed: {allowed}")
        allowed_limit = import_limit_problem(self.import_limit_kw, self.bess_dispatch)
        if allowed_limit is not None:
            raise ValueError(f"import_limit_kw is {self.import_limit_kw}; allowed: {allowed_limit}")

    @property
    def n_steps(self) -> int:
        """Return the number of hourly steps."""
        return len(self.load_kwh)

    @property
    def n_chargers(self) -> int:
        """Return the number of chargers."""
        return len(self.chargers)
