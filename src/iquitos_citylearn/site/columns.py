"""Names in a CityLearn 3.0.2 data set: files, columns, classes, in one place for the writer and the reader."""

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
