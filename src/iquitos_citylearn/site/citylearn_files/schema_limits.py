"""What a CityLearn data set may ask for and the twin does not model: refused by name, never ignored.

Every key of the schema is either listed here as one that the twin follows or that moves no energy, or it must be
switched off (null, false, 0, empty).
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from iquitos_citylearn.site.citylearn_files import layout
from iquitos_citylearn.site.citylearn_files.writer import DatasetError

FEATURES = {
    "buildings": "more than one building",
    "cooling_device": "cooling by a heat pump",
    "heating_device": "heating by a heat pump or heater",
    "dhw_device": "hot water by a heat pump or heater",
    "cooling_storage": "storage of cold",
    "heating_storage": "storage of heat",
    "dhw_storage": "storage of hot water",
    "power_outage": "power outages",
    "charging_constraints": "limits of charging power by phase or building",
    "mode": "an electrical service of three phases",
    "export_kw": "a limit of exports",
    "per_phase": "limits by phase",
    "dynamics": "indoor temperature dynamics",
    "occupant": "occupants",
    "deferrable_appliances": "deferrable appliances",
    "washing_machines": "washing machines",
    "escalators": "escalators",
    "max_discharging_power": "discharging of cars (V2G)",
    "charge_efficiency_curve": "an efficiency of the charger that depends on power",
    "discharge_efficiency_curve": "discharging of cars (V2G)",
    "phase_connection": "phases",
    "noise_std": "noise on the series",
    "autosize": "sizing by CityLearn",
    "community_market": "trade between buildings",
    "demand_response": "demand response",
    "robustness": "faults of sensors and actuators",
    "topology_events": "buildings and devices that come and go",
    "topology_mode": "buildings and devices that come and go",
    "seconds_per_time_step": "steps other than one hour",
    "simulation_start_time_step": "a start within the files",
}
"""Key -> what it asks for, in words."""

TOP_KEYS = {
    "random_seed",
    "root_directory",
    "central_agent",
    "simulation_end_time_step",
    "episode_time_steps",
    "rolling_episode_split",
    "random_episode_split",
    "terminal_observation_padding",
    "reward_function",
    "agent",
    "observations",
    "actions",
    "buildings",
    "electric_vehicles_def",
    "description",
    "start_date",
    "observation_bundles",
    "derived_forecasts",
    "debug_timing",
    "check_observation_limits",
    "physics_invariant_checks",
    "metrics_log_interval",
    "ev_departure_within_tolerance",
    "ev_departure_service_tolerance",
    "export_kpis_on_episode_end",
    "export_only_final_episode",
    "render",
    "render_mode",
    "render_file_format",
    "render_chunk_size",
    "render_session_name",
    layout.GLOBAL_IRRADIANCE,
    layout.DEMAND_CHARGE,
}
BUILDING_KEYS = {
    "include",
    "type",
    "energy_simulation",
    "weather",
    "carbon_intensity",
    "pricing",
    "inactive_observations",
    "inactive_actions",
    "equity_group",
    "pv",
    "electrical_storage",
    "chargers",
}
SERVICE_KEYS = {"mode", "default_split", "limits", "observations", "expose_observations"}
DEVICE_KEYS = {"type", "attributes", "autosize_attributes"}
PV_ATTRIBUTES = {"nominal_power", "generation_mode", "efficiency", "random_seed"}
BATTERY_ATTRIBUTES = {*layout.BATTERY_ATTRIBUTES, *layout.CURVE_ATTRIBUTES, "efficiency", "random_seed"}
CHARGER_KEYS = {"type", "charger_simulation", "attributes"}
CHARGER_ATTRIBUTES = {*layout.CHARGER_ATTRIBUTES, "min_discharging_power"}
CAR_KEYS = {"include", "type", "battery"}
ACTIONS = {"electrical_storage", "electric_vehicle_storage"}

BUILDING_TYPES = (layout.AUTOMATIC_BESS_BUILDING, *layout.CITYLEARN_BUILDINGS)
PV_TYPES = ("citylearn.energy_model.PV",)
BATTERY_TYPES = ("citylearn.energy_model.Battery",)
CHARGER_TYPES = ("citylearn.electric_vehicle_charger.Charger",)
CAR_TYPES = ("citylearn.citylearn.ElectricVehicle", "citylearn.electric_vehicle.ElectricVehicle")
STEP_SECONDS = 3600

Object = Mapping[str, Any]


def refuse_unsupported(schema: dict[str, Any], file: Path) -> None:
    """Refuse a data set that asks for what the twin does not model.

    Parameters
    ----------
    schema : dict
        The content of the data set's `schema.json`.
    file : Path
        Where it was read, for the message.

    Raises
    ------
    DatasetError
        With every such key: its place, its value, and what it asks for.
    """
    problems = [*_site(schema)]
    if problems:
        lines = "\n".join(f"  {problem}" for problem in problems)
        raise DatasetError(f"{file}: {len(problems)} thing(s) that are not modelled here:\n{lines}")


def _site(schema: Object) -> Iterator[str]:
    yield from _unknown(schema, "", TOP_KEYS | {"interface", "topology_mode", "seconds_per_time_step"})
    if schema.get("interface") not in (None, "flat"):
        yield _line("interface", schema["interface"], "an interface other than flat")
    if schema.get("topology_mode") not in (None, "static"):
        yield _line("topology_mode", schema["topology_mode"], FEATURES["topology_mode"])
    if schema.get("seconds_per_time_step") != STEP_SECONDS:
        yield _line("seconds_per_time_step", schema.get("seconds_per_time_step"), FEATURES["seconds_per_time_step"])
    for name, action in _objects(schema.get("actions")):
        if name not in ACTIONS and action.get("active"):
            yield _line(f"actions.{name}.active", action["active"], f"the action {name}")
    buildings = [(name, building) for name, building in _objects(schema.get("buildings")) if _included(building)]
    if len(buildings) > 1:
        yield _line("buildings", [name for name, _ in buildings], FEATURES["buildings"])
    for name, building in buildings:
        yield from _building(building, f"buildings.{name}")
    for name, car in _objects(schema.get("electric_vehicles_def")):
        if _included(car):
            yield from _car(car, f"electric_vehicles_def.{name}")


def _building(building: Object, path: str) -> Iterator[str]:
    yield from _unknown(building, path, BUILDING_KEYS | {"power_outage", layout.ELECTRICAL_SERVICE})
    yield from _service(building.get(layout.ELECTRICAL_SERVICE) or {}, f"{path}.{layout.ELECTRICAL_SERVICE}")
    yield from _type(building, path, BUILDING_TYPES, may_be_absent=True)
    for key, value in (building.get("power_outage") or {}).items():
        if key == "simulate_power_outage" and _active(value):
            yield _line(f"{path}.power_outage.{key}", value, FEATURES["power_outage"])
    for key, types, attributes in (
        ("pv", PV_TYPES, PV_ATTRIBUTES),
        ("electrical_storage", BATTERY_TYPES, BATTERY_ATTRIBUTES),
    ):
        if building.get(key) is not None:
            yield from _device(building[key], f"{path}.{key}", types, DEVICE_KEYS, attributes)
    for name, charger in _objects(building.get("chargers")):
        yield from _charger(charger, f"{path}.chargers.{name}")


def _service(service: Object, path: str) -> Iterator[str]:
    """Take the limit of the whole import; a limit of 0 is one too, so that only null switches another off."""
    yield from _unknown(service, path, SERVICE_KEYS)
    if service.get("mode") not in (None, layout.SINGLE_PHASE):
        yield _line(f"{path}.mode", service["mode"], FEATURES["mode"])
    limits = service.get("limits") or {}
    yield from _unknown(limits, f"{path}.limits", {"total", "per_phase"})
    total = limits.get("total") or {}
    yield from _unknown(total, f"{path}.limits.total", {"import_kw", "export_kw"})
    if total.get("export_kw") is not None:
        yield _line(f"{path}.limits.total.export_kw", total["export_kw"], FEATURES["export_kw"])
    for phase, of_phase in _objects(limits.get("per_phase")):
        if any(limit is not None for limit in of_phase.values()):
            yield _line(f"{path}.limits.per_phase.{phase}", dict(of_phase), FEATURES["per_phase"])


def _charger(charger: Object, path: str) -> Iterator[str]:
    allowed = CHARGER_ATTRIBUTES | {"max_discharging_power"}
    yield from _device(charger, path, CHARGER_TYPES, CHARGER_KEYS, allowed)
    discharging = (charger.get("attributes") or {}).get("max_discharging_power")
    if discharging != 0:
        text = "null, which CityLearn takes as 50 kW" if discharging is None else discharging
        yield _line(f"{path}.attributes.max_discharging_power", text, FEATURES["max_discharging_power"])


def _car(car: Object, path: str) -> Iterator[str]:
    yield from _unknown(car, path, CAR_KEYS)
    yield from _type(car, path, CAR_TYPES, may_be_absent=True)
    battery = car.get("battery") or {}
    yield from _unknown(battery, f"{path}.battery", DEVICE_KEYS)
    yield from _unknown(battery.get("attributes") or {}, f"{path}.battery.attributes", BATTERY_ATTRIBUTES)


def _device(device: Object, path: str, types: tuple[str, ...], keys: set[str], attributes: set[str]) -> Iterator[str]:
    yield from _unknown(device, path, keys)
    yield from _type(device, path, types, may_be_absent=False)
    yield from _unknown(device.get("attributes") or {}, f"{path}.attributes", attributes)


def _unknown(content: Object, path: str, known: set[str]) -> Iterator[str]:
    for key, value in content.items():
        if key not in known and _active(value):
            where = f"{path}.{key}" if path else key
            yield _line(where, value, FEATURES.get(key, "a key that is not known here"))


def _type(content: Object, path: str, types: tuple[str, ...], *, may_be_absent: bool) -> Iterator[str]:
    kind = content.get("type")
    if kind not in types and not (may_be_absent and kind is None):
        yield _line(f"{path}.type", kind, f"a type other than {', '.join(types)}")


def _active(value: object) -> bool:
    """Return whether a value switches something on: an object or a list does where one of its values does."""
    if isinstance(value, Mapping):
        return any(_active(item) for item in value.values())
    if isinstance(value, list):
        return any(_active(item) for item in value)
    return bool(value)


def _included(content: Object) -> bool:
    return bool(content.get("include", True))


def _objects(content: object) -> Iterator[tuple[str, Object]]:
    if isinstance(content, Mapping):
        yield from ((name, value) for name, value in content.items() if isinstance(value, Mapping))


def _line(path: str, value: object, feature: str) -> str:
    return f"{path} is {value!r}: {feature}"
