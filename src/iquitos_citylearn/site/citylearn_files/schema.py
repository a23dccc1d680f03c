"""The `schema.json` of a site: every attribute set, because CityLearn draws from a seed what is left out."""

from typing import Any

import numpy as np

from iquitos_citylearn.site.citylearn_files import layout
from iquitos_citylearn.site.model import Battery, Charger, Curve, Site

STEP_SECONDS = 3600

SITE_OBSERVATIONS = (
    *layout.CALENDAR,
    "outdoor_dry_bulb_temperature",
    "diffuse_solar_irradiance",
    "direct_solar_irradiance",
    "carbon_intensity",
    "non_shiftable_load",
    "solar_generation",
    "electrical_storage_soc",
    "net_electricity_consumption",
    "electricity_pricing",
    "electricity_pricing_predicted_1",
    "electricity_pricing_predicted_2",
    "electricity_pricing_predicted_3",
)
CHARGER_OBSERVATIONS = (
    "electric_vehicle_charger_connected_state",
    "connected_electric_vehicle_at_charger_departure_time",
    "connected_electric_vehicle_at_charger_required_soc_departure",
    "connected_electric_vehicle_at_charger_soc",
    "connected_electric_vehicle_at_charger_battery_capacity",
    "electric_vehicle_charger_incoming_state",
    "incoming_electric_vehicle_at_charger_estimated_arrival_time",
    "incoming_electric_vehicle_at_charger_estimated_soc_arrival",
)


def site_schema(site: Site, random_seed: int) -> dict[str, Any]:
    """Return CityLearn's schema of a site.

    The schema names no root directory: CityLearn then looks for the files beside it, wherever the folder stands.
    One terminal observation is padded, so that n_steps rows take n_steps actions.

    Parameters
    ----------
    site : Site
        The site, with `n_steps` rows.
    random_seed : int
        Seed of CityLearn; it moves only the state of charge of cars that are away, which nothing depends on.
    """
    shared = {"active": True, "shared_in_central_agent": False}
    return {
        "random_seed": random_seed,
        "root_directory": None,
        "central_agent": True,
        "simulation_start_time_step": 0,
        "simulation_end_time_step": site.n_steps,
        "terminal_observation_padding": True,
        "episode_time_steps": None,
        "rolling_episode_split": False,
        "random_episode_split": False,
        "seconds_per_time_step": STEP_SECONDS,
        "reward_function": {"type": "citylearn.reward_function.RewardFunction", "attributes": {}},
        **({layout.GLOBAL_IRRADIANCE: layout.IRRADIANCE_FILE} if knows_irradiance(site) else {}),
        **_demand_charge(site),
        "observations": dict.fromkeys((*SITE_OBSERVATIONS, *CHARGER_OBSERVATIONS), shared),
        "actions": {"electrical_storage": {"active": True}, "electric_vehicle_storage": {"active": True}},
        "buildings": {layout.BUILDING_NAME: _building(site)},
        "electric_vehicles_def": {ev_name(index): _car(charger.ev) for index, charger in enumerate(site.chargers)},
    }


def knows_irradiance(site: Site) -> bool:
    """Return whether the site has a global irradiance: NaN throughout says that nobody knows it."""
    return not np.isnan(site.weather.ghi_w_per_m2).all()


def _demand_charge(site: Site) -> dict[str, float]:
    charge = site.demand_charge_usd_per_kw_month
    return {layout.DEMAND_CHARGE: float(charge)} if charge else {}


def ev_name(charger_index: int) -> str:
    """Return the id of the car that uses a charger."""
    return f"ev_{charger_index + 1:03d}"


def charger_file(charger_index: int) -> str:
    """Return the name of a charger's file."""
    return layout.CHARGER_FILE.format(charger_index + 1)


def _building(site: Site) -> dict[str, Any]:
    building: dict[str, Any] = {
        "include": True,
        "type": layout.AUTOMATIC_BESS_BUILDING if site.bess_dispatch == "automatic" else layout.CITYLEARN_BUILDINGS[0],
        "energy_simulation": layout.BUILDING_FILE,
        "weather": layout.WEATHER_FILE,
        "carbon_intensity": layout.CARBON_FILE,
        "pricing": layout.PRICING_FILE,
        "noise_std": 0.0,
        "inactive_observations": [],
        "inactive_actions": [] if site.bess_dispatch == "agent" else ["electrical_storage"],
        "pv": {
            "type": "citylearn.energy_model.PV",
            "autosize": False,
            "attributes": {"nominal_power": float(site.pv_rated_power_kwp), "generation_mode": "absolute"},
        },
    }
    if site.bess is not None:
        building["electrical_storage"] = {**_battery(site.bess), "autosize": False}
    if site.import_limit_kw is not None:
        building[layout.ELECTRICAL_SERVICE] = {
            "mode": layout.SINGLE_PHASE,
            "limits": {"total": {"import_kw": float(site.import_limit_kw)}},
            "observations": {"headroom": False, "violation": False},
        }
    building["chargers"] = {charger.name: _charger(index, charger) for index, charger in enumerate(site.chargers)}
    return building


def _charger(index: int, charger: Charger) -> dict[str, Any]:
    return {
        "type": "citylearn.electric_vehicle_charger.Charger",
        "charger_simulation": charger_file(index),
        "noise_std": 0.0,
        "attributes": {
            "efficiency": float(charger.efficiency),
            "max_charging_power": float(charger.max_charging_power_kw),
            "min_charging_power": float(charger.min_charging_power_kw),
            "max_discharging_power": 0.0,
            "min_discharging_power": 0.0,
        },
    }


def _car(battery: Battery) -> dict[str, Any]:
    return {"include": True, "battery": _battery(battery)}


def _battery(battery: Battery) -> dict[str, Any]:
    return {
        "type": "citylearn.energy_model.Battery",
        "attributes": {
            "capacity": float(battery.energy_capacity_kwh),
            "nominal_power": float(battery.nominal_power_kw),
            "initial_soc": float(battery.initial_soc),
            "depth_of_discharge": float(battery.depth_of_discharge),
            "efficiency": float(battery.power_efficiency_curve[1][-1]),
            "power_efficiency_curve": _points(battery.power_efficiency_curve),
            "capacity_power_curve": _points(battery.capacity_power_curve),
            "loss_coefficient": float(battery.loss_coefficient),
            "capacity_loss_coefficient": float(battery.capacity_loss_coefficient),
        },
    }


def _points(curve: Curve) -> list[list[float]]:
    return [[float(x), float(y)] for x, y in zip(*curve, strict=True)]
