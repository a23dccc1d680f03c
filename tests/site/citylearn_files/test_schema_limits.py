import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from iquitos_citylearn.site.citylearn_files.schema import site_schema
from iquitos_citylearn.site.citylearn_files.schema_limits import refuse_unsupported
from iquitos_citylearn.site.citylearn_files.writer import DatasetError
from tests.sites import random_site

FILE = Path("schema.json")
MALL = "buildings.mall"
SERVICE = f"{MALL}.electrical_service"
CHARGER = "buildings.mall.chargers.charger_001"
CAR = "electric_vehicles_def.ev_001"


@pytest.fixture
def schema():
    return site_schema(random_site(np.random.default_rng(0), bess="automatic"), random_seed=0)


def put(schema, path, value):
    *parents, key = path.split(".")
    node = schema
    for parent in parents:
        node = node[parent]
    node[key] = value


@pytest.mark.parametrize(("bess", "limit_kw"), [("automatic", None), ("agent", None), ("none", None), ("none", 40.0)])
def test_what_the_writer_writes_is_taken(bess, limit_kw):
    site = replace(random_site(np.random.default_rng(1), bess=bess), import_limit_kw=limit_kw)
    refuse_unsupported(site_schema(site, random_seed=0), FILE)


@pytest.mark.parametrize(
    ("path", "value", "feature"),
    [
        (f"{CHARGER}.attributes.max_discharging_power", 3.5, "V2G"),
        (f"{CHARGER}.attributes.max_discharging_power", None, "50 kW.*V2G"),
        (f"{CHARGER}.attributes.discharge_efficiency_curve", [[0, 0.9], [1, 0.9]], "V2G"),
        (f"{CHARGER}.attributes.charge_efficiency_curve", [[0, 0.9], [1, 0.9]], "efficiency of the charger"),
        (f"{CHARGER}.attributes.phase_connection", "L1", "phases"),
        (f"{CHARGER}.noise_std", 1.0, "noise"),
        (f"{CHARGER}.type", "citylearn.electric_vehicle_charger.Other", "a type other than"),
        (f"{MALL}.noise_std", 0.1, "noise"),
        (f"{MALL}.type", "citylearn.building.LSTMDynamicsBuilding", "a type other than"),
        (f"{MALL}.power_outage", {"simulate_power_outage": True}, "power outages"),
        (f"{MALL}.cooling_device", {"type": "citylearn.energy_model.HeatPump"}, "heat pump"),
        (f"{MALL}.heating_device", {"type": "citylearn.energy_model.HeatPump"}, "heat pump"),
        (f"{MALL}.dhw_device", {"type": "citylearn.energy_model.ElectricHeater"}, "hot water"),
        (f"{MALL}.dhw_storage", {"type": "citylearn.energy_model.StorageTank"}, "hot water"),
        (f"{MALL}.cooling_storage", {"type": "citylearn.energy_model.StorageTank"}, "cold"),
        (f"{MALL}.heating_storage", {"type": "citylearn.energy_model.StorageTank"}, "heat"),
        (f"{MALL}.dynamics", {"type": "citylearn.dynamics.LSTMDynamics"}, "temperature dynamics"),
        (f"{MALL}.occupant", {"type": "citylearn.occupant.LogisticRegressionOccupant"}, "occupants"),
        (f"{MALL}.washing_machines", {"one": {"attributes": {"x": 1}}}, "washing machines"),
        (f"{MALL}.deferrable_appliances", {"one": {"cycle_profiles_file": "a.csv"}}, "deferrable appliances"),
        (f"{MALL}.escalators", {"one": {"simulation": "a.csv"}}, "escalators"),
        (SERVICE, {"mode": "three_phase"}, "mode is 'three_phase'.*three phases"),
        (SERVICE, {"limits": {"total": {"import_kw": 5, "export_kw": 0.0}}}, "export_kw is 0.0.*limit of exports"),
        (SERVICE, {"limits": {"per_phase": {"L1": {"import_kw": 0}}}}, "per_phase.L1.*limits by phase"),
        (SERVICE, {"a_later_feature": 1}, "not known here"),
        (f"{MALL}.charging_constraints", {"building_limit_kw": 10.0}, "limits of charging power"),
        (f"{MALL}.pv.autosize", True, "sizing by CityLearn"),
        (f"{MALL}.pv.type", "my.PV", "a type other than"),
        (f"{MALL}.electrical_storage.autosize", True, "sizing by CityLearn"),
        (f"{MALL}.electrical_storage.attributes.phase_connection", "L2", "phases"),
        (f"{MALL}.electrical_storage.attributes.time_step_ratio", 4, "not known here"),
        (f"{MALL}.a_later_feature", 1, "not known here"),
        (f"{CAR}.type", "my.Car", "a type other than"),
        (f"{CAR}.battery.attributes.self_heating", True, "not known here"),
        ("actions.cooling_storage", {"active": True}, "the action cooling_storage"),
        ("seconds_per_time_step", 900, "one hour"),
        ("simulation_start_time_step", 24, "a start within the files"),
        ("interface", "entity", "interface"),
        ("topology_mode", "dynamic", "come and go"),
        ("topology_events", [{"time_step": 3}], "come and go"),
        ("community_market", {"enabled": True}, "trade"),
        ("demand_response", {"enabled": True}, "demand response"),
        ("robustness", {"enabled": True}, "faults"),
        ("a_later_feature", {"deep": {"deeper": [0, 1]}}, "not known here"),
    ],
)
def test_unmodelled_feature_is_refused_by_name(schema, path, value, feature):
    put(schema, path, value)
    with pytest.raises(DatasetError, match=rf"(?s)schema.json: 1 thing.*{path.split('.')[-1]}.*{feature}"):
        refuse_unsupported(schema, FILE)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (f"{MALL}.power_outage", {"simulate_power_outage": False, "stochastic_power_outage": True}),
        (f"{MALL}.washing_machines", {}),
        (f"{MALL}.dynamics", None),
        (SERVICE, {}),
        (SERVICE, {"mode": "single_phase", "limits": {"total": {"import_kw": 5, "export_kw": None}}}),
        (SERVICE, {"limits": {"per_phase": {"L1": {"import_kw": None}}}, "expose_observations": True}),
        (f"{MALL}.noise_std", 0.0),
        ("topology_mode", "static"),
        ("interface", "flat"),
        ("topology_events", []),
        ("community_market", {"enabled": False}),
        ("actions.cooling_storage", {"active": False}),
        ("render_mode", "none"),
    ],
)
def test_what_is_switched_off_is_taken(schema, path, value):
    put(schema, path, value)
    refuse_unsupported(schema, FILE)


def test_second_building_is_refused_unless_it_is_left_out(schema):
    other = copy.deepcopy(schema["buildings"]["mall"])
    schema["buildings"]["annex"] = other
    with pytest.raises(DatasetError, match="more than one building"):
        refuse_unsupported(schema, FILE)
    other["include"] = False
    other["power_outage"] = {"simulate_power_outage": True}
    refuse_unsupported(schema, FILE)


def test_all_problems_are_reported_at_once(schema):
    put(schema, "seconds_per_time_step", 900)
    put(schema, f"{CHARGER}.attributes.max_discharging_power", 2.0)
    with pytest.raises(DatasetError, match=r"(?s)2 thing\(s\).*seconds_per_time_step is 900.*max_discharging_power"):
        refuse_unsupported(schema, FILE)
