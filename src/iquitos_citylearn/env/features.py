"""Names of the entries of an observation, and the position of each. `env/observation.py` says what they mean.

Positions are plain integers, since Numba takes those of a module for constants.
"""

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
LOOKAHEAD_FEATURES = (
    "month_elapsed",
    "load_residual",
    "time_to_refill",
    "price_ahead",
    "pv_ahead",
    "bess_usable",
    "month_peak_level",
    "shortage",
    "level",
    "shortage_careful",
    "level_careful",
    "level_target",
)
"""After the forecast and the month's peak, where the battery is under the agent (`env/lookahead.py`)."""
CHARGER_FEATURES = ("connected", "energy_needed", "energy_to_full", "time_to_departure")
N_CHARGER_FEATURES = len(CHARGER_FEATURES)

# Positions in an observation.
HOUR_SIN = SITE_FEATURES_BEFORE_FORECAST.index("hour_sin")
HOUR_COS = SITE_FEATURES_BEFORE_FORECAST.index("hour_cos")
PRICE = SITE_FEATURES_BEFORE_FORECAST.index("price")
CARBON_INTENSITY = SITE_FEATURES_BEFORE_FORECAST.index("carbon_intensity")
PV_LAST = SITE_FEATURES_BEFORE_FORECAST.index("pv_last")
LOAD_LAST = SITE_FEATURES_BEFORE_FORECAST.index("load_last")
BESS_SOC = SITE_FEATURES_BEFORE_FORECAST.index("bess_soc")
OCCUPANCY = SITE_FEATURES_BEFORE_FORECAST.index("occupancy")
FLEET_POWER_NEEDED = SITE_FEATURES_BEFORE_FORECAST.index("fleet_power_needed")
FIRST_FORECAST = len(SITE_FEATURES_BEFORE_FORECAST)
"""Position of the forecast for the hour that starts now; those of later hours follow."""

# Positions among the entries of one charger.
CONNECTED = CHARGER_FEATURES.index("connected")
ENERGY_NEEDED = CHARGER_FEATURES.index("energy_needed")
ENERGY_TO_FULL = CHARGER_FEATURES.index("energy_to_full")
TIME_TO_DEPARTURE = CHARGER_FEATURES.index("time_to_departure")
