"""Names and limits in a CityLearn 3.0.2 data set (files, columns, attributes), once for the writer and the reader."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SCHEMA_FILE = "schema.json"
BUILDING_FILE = "building.csv"
WEATHER_FILE = "weather.csv"
PRICING_FILE = "pricing.csv"
CARBON_FILE = "carbon_intensity.csv"
IRRADIANCE_FILE = "irradiance.csv"
CHARGER_FILE = "charger_simulation_{:03d}.csv"
CHARGER_FILES = "charger_simulation_*.csv"

BUILDING_NAME = "mall"
AUTOMATIC_BESS_BUILDING = "iquitos_citylearn.env.citylearn.AutomaticBessBuilding"
CITYLEARN_BUILDINGS = ("citylearn.building.Building", "citylearn.citylearn.Building")

CALENDAR = {"month": (1, 12), "hour": (1, 24), "day_type": (1, 8)}
INDOOR_TEMPERATURE = "indoor_dry_bulb_temperature"
LOAD = "non_shiftable_load"
SOLAR = "solar_generation"
THERMAL_DEMANDS = ("dhw_demand", "cooling_demand", "heating_demand")
BUILDING_COLUMNS = (*CALENDAR, INDOOR_TEMPERATURE, LOAD, *THERMAL_DEMANDS, SOLAR)
BUILDING_ZERO_COLUMNS = ("minutes", "seconds", "power_outage")
BUILDING_UNUSED_COLUMNS = (
    "daylight_savings_status",
    "average_unmet_cooling_setpoint_difference",
    "indoor_relative_humidity",
    "occupant_count",
    "indoor_dry_bulb_temperature_cooling_set_point",
    "indoor_dry_bulb_temperature_heating_set_point",
    "hvac_mode",
    "comfort_band",
)

WEATHER_FIELDS = {
    "outdoor_dry_bulb_temperature": "temp_air_c",
    "outdoor_relative_humidity": "relative_humidity_percent",
    "diffuse_solar_irradiance": "dhi_w_per_m2",
    "direct_solar_irradiance": "dni_w_per_m2",
}
PRICE = "electricity_pricing"
CARBON = "carbon_intensity"
GLOBAL_IRRADIANCE = "global_horizontal_irradiance"
DEMAND_CHARGE = "demand_charge_usd_per_kw_month"
"""Keys of the schema that CityLearn, which knows neither, passes over."""
PREDICTED_LEADS_HOURS = (6, 12, 24)
"""Hours ahead of the columns `..._predicted_1` to `..._predicted_3`, as in CityLearn's own data sets."""

STATE = "electric_vehicle_charger_state"
EV_ID = "electric_vehicle_id"
DEPARTURE_TIME = "electric_vehicle_departure_time"
REQUIRED_SOC = "electric_vehicle_required_soc_departure"
ARRIVAL_TIME = "electric_vehicle_estimated_arrival_time"
ARRIVAL_SOC = "electric_vehicle_estimated_soc_arrival"
CURRENT_SOC = "electric_vehicle_current_soc"
SESSION_ID = "electric_vehicle_session_id"
CHARGER_COLUMNS = (STATE, EV_ID, DEPARTURE_TIME, REQUIRED_SOC, ARRIVAL_TIME, ARRIVAL_SOC)
CHARGER_OPTIONAL_COLUMNS = (CURRENT_SOC, SESSION_ID)

CONNECTED, INCOMING, AWAY = 1, 2, 3


def predicted(column: str) -> tuple[str, ...]:
    """Return the names of the three columns that hold `column` some hours ahead."""
    return tuple(f"{column}_predicted_{index}" for index in range(1, len(PREDICTED_LEADS_HOURS) + 1))


class Limits(NamedTuple):
    """Which numbers are allowed: from `lowest` to `highest`, the lowest itself only when `closed`."""

    lowest: float = -math.inf
    highest: float = math.inf
    closed: bool = True

    def refuse(self, values: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return where `values` are not allowed (NaN and infinities never are)."""
        above = values >= self.lowest if self.closed else values > self.lowest
        allowed: NDArray[np.bool_] = above & (values <= self.highest) & np.isfinite(values)
        return ~allowed

    def __str__(self) -> str:
        """Return the range in words."""
        if self.highest < math.inf:
            return f"{'' if self.closed else 'above '}{self.lowest:g} to {self.highest:g}"
        if self.lowest > -math.inf:
            return f"finite numbers {'from' if self.closed else 'above'} {self.lowest:g}"
        return "finite numbers"


ANY = Limits()
NOT_NEGATIVE = Limits(0.0)
POSITIVE = Limits(0.0, closed=False)
FRACTION = Limits(0.0, 1.0)
POSITIVE_FRACTION = Limits(0.0, 1.0, closed=False)

BATTERY_ATTRIBUTES = {
    "capacity": ("energy_capacity_kwh", POSITIVE),
    "nominal_power": ("nominal_power_kw", POSITIVE),
    "initial_soc": ("initial_soc", FRACTION),
    "depth_of_discharge": ("depth_of_discharge", FRACTION),
    "loss_coefficient": ("loss_coefficient", FRACTION),
    "capacity_loss_coefficient": ("capacity_loss_coefficient", FRACTION),
}
"""CityLearn's attribute of a battery -> field of `Battery`, and what is allowed."""
CURVE_ATTRIBUTES = {"power_efficiency_curve": POSITIVE_FRACTION, "capacity_power_curve": FRACTION}
"""CityLearn's curve, named as the field of `Battery` -> what is allowed on its second axis."""
CHARGER_ATTRIBUTES = {
    "efficiency": ("efficiency", POSITIVE_FRACTION),
    "max_charging_power": ("max_charging_power_kw", POSITIVE),
    "min_charging_power": ("min_charging_power_kw", NOT_NEGATIVE),
}
"""CityLearn's attribute of a charger -> field of `Charger`, and what is allowed."""

ELECTRICAL_SERVICE = "electrical_service"
SINGLE_PHASE = "single_phase"
