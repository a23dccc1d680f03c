"""A CityLearn 3.0.2 data set as a site: the very numbers that CityLearn gets from the same files, or an error."""

from pathlib import Path

import numpy as np

from iquitos_citylearn.params import BessDispatch, import_limit_problem
from iquitos_citylearn.site.citylearn_files import layout
from iquitos_citylearn.site.citylearn_files.layout import ANY, NOT_NEGATIVE
from iquitos_citylearn.site.citylearn_files.schema_limits import refuse_unsupported
from iquitos_citylearn.site.citylearn_files.schema_node import SchemaNode, load_schema
from iquitos_citylearn.site.citylearn_files.session_reader import ChargerSessions, read_charger_file
from iquitos_citylearn.site.citylearn_files.table_reader import TableReader
from iquitos_citylearn.site.citylearn_files.writer import MIN_STEPS, DatasetError
from iquitos_citylearn.site.model import Battery, Charger, Curve, FloatArray, IntArray, Sessions, Site, Weather

HOUR_AFTER = "the hour before plus 1, and 1 after 24: a row for every hour"
DEVICES = ("pv", "electrical_storage", "power_outage")
ABSOLUTE, PER_KW = "absolute", "per_kw"


def read_dataset(schema: Path) -> Site:
    """Read a CityLearn data set of one building with chargers.

    Parameters
    ----------
    schema : Path
        The data set's `schema.json`.

    Returns
    -------
    Site
        The site, every series as CityLearn holds it (float32). The global irradiance is NaN where the schema names
        no file of it: CityLearn has no column for it.

    Raises
    ------
    DatasetError
        Where the data set is damaged, leaves to CityLearn's seed what it should say, or holds what the twin does not
        model; with file, column and row (row 0 is the first one below the header), and what is allowed.
    """
    root = load_schema(schema)
    _check_shape(root)
    refuse_unsupported(root.content, schema)
    n_steps = _n_steps(root)
    building = _only_building(root)
    folder = _folder(root, schema)
    chargers, sessions = _chargers(root, building, folder, n_steps)
    table = _building_table(building, folder, n_steps)
    pricing = _series(building, "pricing", folder, n_steps, (layout.PRICE,), predicted=True)
    carbon = _series(building, "carbon_intensity", folder, n_steps, (layout.CARBON,))
    bess = _battery(building.child("electrical_storage", "attributes")) if building.has("electrical_storage") else None
    dispatch = _bess_dispatch(root, building, has_bess=bess is not None)
    return Site(
        month=table.whole_numbers("month", *layout.CALENDAR["month"]),
        hour=_hours(table),
        day_type=table.whole_numbers("day_type", *layout.CALENDAR["day_type"]),
        load_kwh=table.floats(layout.LOAD, NOT_NEGATIVE),
        pv_kwh=_pv_kwh(building, table),
        price_usd_per_kwh=pricing[layout.PRICE],
        carbon_kg_per_kwh=carbon[layout.CARBON],
        weather=_weather(root, building, folder, n_steps),
        pv_rated_power_kwp=_rated_power_kwp(building),
        bess=bess,
        bess_dispatch=dispatch,
        demand_charge_usd_per_kw_month=_demand_charge(root),
        import_limit_kw=_import_limit_kw(building, dispatch),
        chargers=chargers,
        sessions=sessions,
    )


def _check_shape(root: SchemaNode) -> None:
    """Raise DatasetError where something is no object that has to be one."""
    buildings = root.child("buildings").children()
    devices = [device for building in buildings for device in building.children(*DEVICES)]
    chargers = [
        charger for building in buildings for all_ in building.children("chargers") for charger in all_.children()
    ]
    services = [service for building in buildings for service in building.children(layout.ELECTRICAL_SERVICE)]
    for limits in (limits for service in services for limits in service.children("limits")):
        limits.children("total")
        for phases in limits.children("per_phase"):
            phases.children()
    cars = root.child("electric_vehicles_def").children()
    for device in (*devices, *chargers, *(battery for car in cars for battery in car.children("battery"))):
        device.children("attributes")


def _n_steps(root: SchemaNode) -> int:
    """Return the number of rows, of which each takes one action."""
    n_steps = root.whole_number("simulation_end_time_step")
    root.require("simulation_start_time_step", 0)
    root.require("terminal_observation_padding", value=True)
    if root.has("episode_time_steps"):
        root.require("episode_time_steps", n_steps + 1)
    if n_steps < MIN_STEPS:
        raise root.error("simulation_end_time_step", f"the number of rows, at least {MIN_STEPS}")
    return n_steps


def _only_building(root: SchemaNode) -> SchemaNode:
    buildings = root.child("buildings")
    names = [name for name in buildings.keys if buildings.child(name).flag("include", absent=True)]
    if len(names) != 1:
        raise root.error("buildings", f"one building with include true; these have it: {names}")
    return buildings.child(names[0])


def _folder(root: SchemaNode, schema: Path) -> Path:
    if not root.has("root_directory"):
        return schema.parent
    return schema.parent / Path(root.text("root_directory")).expanduser()


def _building_table(building: SchemaNode, folder: Path, n_steps: int) -> TableReader:
    optional = (*layout.BUILDING_ZERO_COLUMNS, *layout.BUILDING_UNUSED_COLUMNS)
    table = TableReader(folder / building.text("energy_simulation"), n_steps, layout.BUILDING_COLUMNS, optional)
    table.floats(layout.INDOOR_TEMPERATURE, ANY)
    for column in (*layout.THERMAL_DEMANDS, *layout.BUILDING_ZERO_COLUMNS):
        if column in table.table.columns:
            table.refuse(column, table.floats(column, ANY) != 0, "0: nothing of it is modelled")
    return table


def _hours(table: TableReader) -> IntArray:
    hour = table.whole_numbers("hour", *layout.CALENDAR["hour"])
    wrong = np.concatenate(([False], hour[1:] != hour[:-1] % 24 + 1))
    table.refuse("hour", wrong, HOUR_AFTER)
    return hour


def _rated_power_kwp(building: SchemaNode) -> float:
    return building.child("pv", "attributes").number("nominal_power", NOT_NEGATIVE) if building.has("pv") else 0.0


def _pv_kwh(building: SchemaNode, table: TableReader) -> FloatArray:
    """Return the generation in kWh per step: as it stands, or W per kWp times the rated power (`PV.get_generation`)."""
    solar = table.floats(layout.SOLAR, NOT_NEGATIVE)
    if not building.has("pv"):
        table.refuse(layout.SOLAR, solar != 0, "0, as the schema has no pv")
        return solar
    attributes = building.child("pv", "attributes")
    mode = attributes.text("generation_mode") if attributes.has("generation_mode") else PER_KW
    if mode not in (PER_KW, ABSOLUTE):
        raise attributes.error("generation_mode", f"{ABSOLUTE} or {PER_KW}")
    if mode == ABSOLUTE:
        return solar
    w_per_kwp = solar.astype(np.float32)
    generation_kwh = np.asarray(_rated_power_kwp(building) * w_per_kwp / 1000.0, dtype=np.float32)
    return generation_kwh.astype(np.float64)


def _series(
    building: SchemaNode, key: str, folder: Path, n_steps: int, names: tuple[str, ...], *, predicted: bool = False
) -> dict[str, FloatArray]:
    ahead = tuple(column for name in names for column in layout.predicted(name)) if predicted else ()
    table = TableReader(folder / building.text(key), n_steps, (*names, *ahead))
    limits = NOT_NEGATIVE if key == "carbon_intensity" else ANY
    return {column: table.floats(column, limits) for column in (*names, *ahead)}


def _weather(root: SchemaNode, building: SchemaNode, folder: Path, n_steps: int) -> Weather:
    series = _series(building, "weather", folder, n_steps, tuple(layout.WEATHER_FIELDS), predicted=True)
    fields = {field: series[column] for column, field in layout.WEATHER_FIELDS.items()}
    if not root.has(layout.GLOBAL_IRRADIANCE):
        return Weather(**fields, ghi_w_per_m2=np.full(n_steps, np.nan))
    table = TableReader(folder / root.text(layout.GLOBAL_IRRADIANCE), n_steps, (layout.GLOBAL_IRRADIANCE,))
    return Weather(**fields, ghi_w_per_m2=table.floats(layout.GLOBAL_IRRADIANCE, NOT_NEGATIVE))


def _bess_dispatch(root: SchemaNode, building: SchemaNode, *, has_bess: bool) -> BessDispatch:
    """Return who dispatches the battery; DatasetError where building and actions do not agree on it."""
    automatic = building.has("type") and building.text("type") == layout.AUTOMATIC_BESS_BUILDING
    if automatic and not has_bess:
        raise building.error("electrical_storage", "a battery, for a building that dispatches one")
    dispatched = _agent_acts(root, building, "electrical_storage")
    if dispatched and not has_bess:
        raise building.error("electrical_storage", "a battery, or electrical_storage in inactive_actions")
    if has_bess and dispatched == automatic:
        whose = "in the list, as the battery follows the rule" if automatic else "not in the list, or nobody moves it"
        raise building.error("inactive_actions", f"electrical_storage {whose}")
    if not has_bess:
        return "none"
    return "automatic" if automatic else "agent"


def _demand_charge(root: SchemaNode) -> float:
    return root.number(layout.DEMAND_CHARGE, NOT_NEGATIVE) if root.has(layout.DEMAND_CHARGE) else 0.0


def _import_limit_kw(building: SchemaNode, dispatch: BessDispatch) -> float | None:
    """Return the import limit of the electrical service; one without it would still round every request."""
    if not building.content.get(layout.ELECTRICAL_SERVICE):
        return None
    limit_kw = building.child(layout.ELECTRICAL_SERVICE, "limits", "total").number("import_kw", NOT_NEGATIVE)
    allowed = import_limit_problem(limit_kw, dispatch)
    if allowed is not None:
        raise building.error(layout.ELECTRICAL_SERVICE, allowed)
    return limit_kw


def _agent_acts(root: SchemaNode, building: SchemaNode, action: str) -> bool:
    inactive = building.texts("inactive_actions") if building.has("inactive_actions") else []
    actions = root.child("actions")
    return actions.has(action) and actions.child(action).flag("active", absent=False) and action not in inactive


def _chargers(
    root: SchemaNode, building: SchemaNode, folder: Path, n_steps: int
) -> tuple[tuple[Charger, ...], Sessions]:
    cars = root.child("electric_vehicles_def")
    known = {name for name in cars.keys if cars.child(name).flag("include", absent=True)}
    nodes = building.child("chargers")
    chargers: list[Charger] = []
    parts: list[ChargerSessions] = []
    user_of: dict[str, str] = {}
    if nodes.keys and not _agent_acts(root, building, "electric_vehicle_storage"):
        raise root.error("actions", "electric_vehicle_storage active, and not in the building's inactive_actions")
    for name in nodes.keys:
        file = folder / nodes.child(name).text("charger_simulation")
        part = read_charger_file(file, n_steps, known)
        if part.ev in user_of:
            raise DatasetError(
                f"{file}: {layout.EV_ID} is {part.ev}, the car of {user_of[part.ev]}; allowed: one car per charger"
            )
        user_of[part.ev] = name
        chargers.append(_charger(name, nodes.child(name, "attributes"), cars.child(part.ev, "battery", "attributes")))
        parts.append(part)
    unused = sorted(known - set(user_of))
    if unused:
        raise root.error("electric_vehicles_def", f"only cars that a charger's file names, which {unused[0]} is not")
    return tuple(chargers), _joined(parts)


def _charger(name: str, attributes: SchemaNode, car: SchemaNode) -> Charger:
    numbers = {field: attributes.number(key, limits) for key, (field, limits) in layout.CHARGER_ATTRIBUTES.items()}
    return Charger(name=name, ev=_battery(car), **numbers)


def _battery(attributes: SchemaNode) -> Battery:
    numbers = {field: attributes.number(key, limits) for key, (field, limits) in layout.BATTERY_ATTRIBUTES.items()}
    curves: dict[str, Curve] = {key: attributes.curve(key, limits) for key, limits in layout.CURVE_ATTRIBUTES.items()}
    return Battery(
        **numbers,
        power_efficiency_curve=curves["power_efficiency_curve"],
        capacity_power_curve=curves["capacity_power_curve"],
    )


def _joined(parts: list[ChargerSessions]) -> Sessions:
    no_steps, no_soc = np.zeros(0, dtype=np.int64), np.zeros(0)
    counts = [len(part.arrival_step) for part in parts]
    return Sessions(
        charger=np.repeat(np.arange(len(parts), dtype=np.int64), counts),
        arrival_step=np.concatenate([no_steps, *(part.arrival_step for part in parts)]),
        departure_step=np.concatenate([no_steps, *(part.departure_step for part in parts)]),
        arrival_soc=np.concatenate([no_soc, *(part.arrival_soc for part in parts)]),
        required_soc=np.concatenate([no_soc, *(part.required_soc for part in parts)]),
    )
