import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iquitos_citylearn.site.citylearn_files import layout
from iquitos_citylearn.site.citylearn_files.reader import read_dataset
from iquitos_citylearn.site.citylearn_files.writer import DatasetError, write_dataset
from iquitos_citylearn.site.model import Site
from tests.sites import assert_same, random_site

N_STEPS = 48
CHARGER = "charger_simulation_001.csv"
SERVICE = "buildings.mall.electrical_service"
FILES = (
    layout.BUILDING_FILE,
    layout.WEATHER_FILE,
    layout.PRICING_FILE,
    layout.CARBON_FILE,
    layout.IRRADIANCE_FILE,
    CHARGER,
    "charger_simulation_002.csv",
)
CONNECTED_COLUMNS = (layout.EV_ID, layout.DEPARTURE_TIME, layout.REQUIRED_SOC)
QUICK = settings(max_examples=30, deadline=None)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> tuple[Site, Path]:
    site = random_site(np.random.default_rng(11), 2, N_STEPS, bess="agent", busy_share=1.0)
    site = replace(site, import_limit_kw=30.0)
    folder = tmp_path_factory.mktemp("whole")
    write_dataset(site, folder)
    return site, folder


@pytest.fixture
def folder(whole, tmp_path) -> Path:
    return shutil.copytree(whole[1], tmp_path / "site")


def refused(folder: Path, file: str, *words: str) -> None:
    with pytest.raises(DatasetError) as caught:
        read_dataset(folder / layout.SCHEMA_FILE)
    for word in (str(folder / file), *words):
        assert word in str(caught.value), str(caught.value)


def outcome(folder: Path) -> Site | str:
    try:
        return read_dataset(folder / layout.SCHEMA_FILE)
    except DatasetError as error:
        return str(error)


def table_of(file: Path) -> pd.DataFrame:
    return pd.read_csv(file, dtype=object, keep_default_na=False)


def rows_of(table: pd.DataFrame, state: int) -> np.ndarray:
    return np.flatnonzero(table[layout.STATE] == str(state))


def edit(folder: Path, file: str, cells: dict[tuple[int, str], Any]) -> None:
    table = table_of(folder / file)
    for (row, column), value in cells.items():
        table.loc[row, column] = value
    table.to_csv(folder / file, index=False)


def copy_of(whole: tuple[Site, Path], tmp_path_factory) -> Path:
    return shutil.copytree(whole[1], tmp_path_factory.mktemp("damaged") / "site")


# Any damage of these kinds, to any file, gives a DatasetError that names the file.


@QUICK
@given(data=st.data())
def test_a_missing_column_is_named(whole, tmp_path_factory, data):
    folder = copy_of(whole, tmp_path_factory)
    file = data.draw(st.sampled_from(FILES))
    table = table_of(folder / file)
    choices = [name for name in table.columns if name != layout.CURRENT_SOC]
    column = data.draw(st.sampled_from(choices))
    table.drop(columns=column).to_csv(folder / file, index=False)
    refused(folder, file, f"column {column} is missing" if len(table.columns) > 1 else "")


@QUICK
@given(data=st.data(), text=st.sampled_from(["abc", "1,5", "--", "0x1f", "True"]))
def test_a_text_where_a_number_belongs_is_named(whole, tmp_path_factory, data, text):
    folder = copy_of(whole, tmp_path_factory)
    file = data.draw(st.sampled_from(FILES))
    table = table_of(folder / file)
    column = data.draw(st.sampled_from([name for name in table.columns if name != layout.EV_ID]))
    edit(folder, file, {(data.draw(st.integers(0, N_STEPS - 1)), column): text})
    refused(folder, file, column)


@QUICK
@given(data=st.data(), value=st.sampled_from(["", "nan", "inf", "-inf", "1e39"]))
def test_a_number_that_is_none_is_named_with_its_row(whole, tmp_path_factory, data, value):
    folder = copy_of(whole, tmp_path_factory)
    file = data.draw(st.sampled_from(FILES))
    table = table_of(folder / file)
    if file.startswith("charger"):
        column = data.draw(st.sampled_from((layout.STATE, *CONNECTED_COLUMNS[1:])))
        row = int(data.draw(st.sampled_from(list(rows_of(table, layout.CONNECTED)))))
    else:
        column = data.draw(st.sampled_from(list(table.columns)))
        row = data.draw(st.integers(0, N_STEPS - 1))
    if len(table.columns) == 1 and value == "":
        value = "nan"  # an empty line is no row at all
    edit(folder, file, {(row, column): value})
    refused(folder, file, f"{column} in row {row} (line {row + 2})")


@QUICK
@given(file=st.sampled_from(FILES), n_rows=st.integers(0, 2 * N_STEPS).filter(lambda n: n != N_STEPS))
def test_another_number_of_rows_is_refused(whole, tmp_path_factory, file, n_rows):
    folder = copy_of(whole, tmp_path_factory)
    table = table_of(folder / file)
    pd.concat([table, table, table]).iloc[:n_rows].to_csv(folder / file, index=False)
    refused(folder, file, "rows; allowed: 48")


@QUICK
@given(data=st.data(), number=st.integers(1, 2), percent=st.floats(1.01, 120))
def test_one_percentage_among_fractions_is_refused(whole, tmp_path_factory, data, number, percent):
    folder, file = copy_of(whole, tmp_path_factory), f"charger_simulation_{number:03d}.csv"
    table = table_of(folder / file)
    soc_columns = [layout.REQUIRED_SOC, layout.ARRIVAL_SOC, layout.CURRENT_SOC]
    filled = [(row, column) for column in soc_columns for row in np.flatnonzero(table[column] != "")]
    edit(folder, file, {data.draw(st.sampled_from(filled)): f"{percent:.4f}"})
    refused(folder, file, "allowed: 0 to 1")


@QUICK
@given(data=st.data(), ev=st.sampled_from(["ev_003", "ev_1", "EV_001", " ev_001", "1", "NA", "", "ev_002"]))
def test_a_car_that_is_not_the_chargers_is_refused(whole, tmp_path_factory, data, ev):
    folder = copy_of(whole, tmp_path_factory)
    table = table_of(folder / CHARGER)
    rows = [*rows_of(table, layout.CONNECTED), *rows_of(table, layout.INCOMING)]
    row = int(data.draw(st.sampled_from(rows)))
    edit(folder, CHARGER, {(row, layout.EV_ID): ev})
    refused(folder, CHARGER, layout.EV_ID)


@QUICK
@given(data=st.data(), value=st.integers(-1, 60))
def test_a_countdown_that_does_not_end_with_the_session_is_refused(whole, tmp_path_factory, data, value):
    folder = copy_of(whole, tmp_path_factory)
    table = table_of(folder / CHARGER)
    row = int(data.draw(st.sampled_from(list(rows_of(table, layout.CONNECTED)))))
    if float(table.loc[row, layout.DEPARTURE_TIME]) != value:
        edit(folder, CHARGER, {(row, layout.DEPARTURE_TIME): value})
        refused(folder, CHARGER, f"{layout.DEPARTURE_TIME} in row {row}")


@settings(max_examples=120, deadline=None)
@given(data=st.data(), file=st.sampled_from([*FILES, layout.SCHEMA_FILE]))
def test_damaged_bytes_give_an_error_that_names_the_file_or_a_site(whole, tmp_path_factory, data, file):
    # Some damage leaves a sound file (a digit that becomes another one); none may end in another exception.
    folder = copy_of(whole, tmp_path_factory)
    content = bytearray((folder / file).read_bytes())
    first = data.draw(st.integers(0, len(content) - 1))
    last = data.draw(st.integers(first, min(first + 40, len(content))))
    content[first:last] = data.draw(
        st.binary(max_size=6) | st.sampled_from([b",", b"\n", b'"', b"1", b"-", b"e9", b"}"])
    )
    (folder / file).write_bytes(bytes(content))
    read = outcome(folder)
    assert isinstance(read, Site) or str(folder / file) in read or file == layout.SCHEMA_FILE


@settings(max_examples=100, deadline=None)
@given(data=st.data(), value=st.sampled_from(["drop", None, "text", -1, 1e400, [], {}, True]))
def test_damage_to_the_schema_is_refused_or_changes_nothing(whole, tmp_path_factory, data, value):
    site, _ = whole
    folder = copy_of(whole, tmp_path_factory)
    schema = json.loads((folder / layout.SCHEMA_FILE).read_text())
    node, key = schema, data.draw(st.sampled_from(list(schema)))
    while isinstance(node[key], dict) and node[key] and data.draw(st.integers(0, 5)):
        node = node[key]
        key = data.draw(st.sampled_from(list(node)))
    if value == "drop":
        del node[key]
    else:
        node[key] = value
    (folder / layout.SCHEMA_FILE).write_text(json.dumps(schema))
    read = outcome(folder)
    if isinstance(read, str):
        assert str(folder) in read
    elif key == layout.GLOBAL_IRRADIANCE:
        assert np.isnan(read.weather.ghi_w_per_m2).all()
    elif key == "generation_mode":
        # without it the series is W per kWp, to CityLearn and to us
        rated_kwp = site.pv_rated_power_kwp
        np.testing.assert_allclose(read.pv_kwh, site.pv_kwh * rated_kwp / 1000, rtol=1e-6)
    elif key == layout.ELECTRICAL_SERVICE and value in ("drop", None, {}):
        # without it or with an empty one the connection carries any import, to CityLearn and to us
        assert_same(read, replace(site, import_limit_kw=None))
    else:
        assert_same(read, site)


# What each error says.


@pytest.mark.parametrize("file", [*FILES, layout.SCHEMA_FILE])
def test_a_missing_file_is_named(folder, file):
    (folder / file).unlink()
    refused(folder, file, "cannot be read: No such file or directory")


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b'a,"b\n1', b"a\n1,2\n1,2,3\n"])
def test_what_is_no_table_is_refused(folder, file, content):
    (folder / file).write_bytes(content)
    refused(folder, file)


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"a": NaN}', "null"])
def test_what_is_no_schema_is_refused(folder, content):
    (folder / layout.SCHEMA_FILE).write_text(content)
    refused(folder, layout.SCHEMA_FILE)


def test_a_column_that_citylearn_does_not_know_is_refused(folder):
    edit(folder, layout.WEATHER_FILE, {(row, "wind_speed"): 1 for row in range(N_STEPS)})
    refused(folder, layout.WEATHER_FILE, "column wind_speed is not one that CityLearn knows here")


@pytest.mark.parametrize(
    ("column", "row", "value", "match"),
    [
        ("hour", 5, 7, "hour in row 5 (line 7) is 7; allowed: the hour before plus 1"),
        ("hour", 5, 25, "hour in row 5 (line 7) is 25; allowed: 1 to 24"),
        ("month", 2, 0, "month in row 2 (line 4) is 0; allowed: 1 to 12"),
        ("day_type", 2, 1.5, "day_type in row 2 (line 4) is 1.5; allowed: whole numbers"),
        (layout.LOAD, 9, -0.5, "non_shiftable_load in row 9 (line 11) is -0.5; allowed: finite numbers from 0"),
        (layout.SOLAR, 9, -0.5, "solar_generation in row 9 (line 11) is -0.5"),
        ("cooling_demand", 9, 3, "cooling_demand in row 9 (line 11) is 3; allowed: 0: nothing of it is modelled"),
    ],
)
def test_building_values_out_of_range_are_named(folder, column, row, value, match):
    edit(folder, layout.BUILDING_FILE, {(row, column): value})
    refused(folder, layout.BUILDING_FILE, match)


def test_states_that_citylearn_would_not_see_are_refused(folder):
    # "1.0" is no state to CityLearn: no car would ever connect, without a word.
    states = {(row, layout.STATE): f"{value}.0" for row, value in enumerate(table_of(folder / CHARGER)[layout.STATE])}
    edit(folder, CHARGER, states)
    refused(
        folder,
        CHARGER,
        "row 0 (line 2) is 3.0; allowed: 1 connected, 2 incoming or 3 away, as whole numbers in every row",
    )


def test_two_sessions_without_a_free_row_are_refused(folder):
    table = table_of(folder / CHARGER)
    last = next(row for row in rows_of(table, layout.CONNECTED) if table.loc[row, layout.DEPARTURE_TIME] == "1")
    again = {column: table.loc[last, column] for column in (layout.STATE, layout.EV_ID, layout.REQUIRED_SOC)}
    cells = {(last + 1, column): value for column, value in again.items()}
    edit(folder, CHARGER, {**cells, (last + 1, layout.DEPARTURE_TIME): 1})
    refused(folder, CHARGER, f"{layout.DEPARTURE_TIME} in row", "leaves one free row before the next")


def test_one_car_at_two_chargers_is_refused(folder):
    second = "charger_simulation_002.csv"
    shutil.copy(folder / CHARGER, folder / second)
    refused(folder, second, "electric_vehicle_id is ev_001, the car of charger_001; allowed: one car per charger")


def test_numbers_as_car_ids_are_refused(folder):
    # pandas reads them as numbers, and CityLearn takes only text: no car would ever connect.
    schema = (folder / layout.SCHEMA_FILE).read_text().replace("ev_001", "17")
    (folder / layout.SCHEMA_FILE).write_text(schema)
    (folder / CHARGER).write_text((folder / CHARGER).read_text().replace("ev_001", "17"))
    refused(folder, CHARGER, "allowed: a key of electric_vehicles_def, as text")


def test_an_arrival_without_a_soc_is_refused(folder):
    table = table_of(folder / CHARGER)
    incoming = int(rows_of(table, layout.INCOMING)[0])
    edit(folder, CHARGER, {(incoming, layout.ARRIVAL_SOC): "", (incoming + 1, layout.CURRENT_SOC): ""})
    row = incoming + 1
    refused(folder, CHARGER, f"{layout.CURRENT_SOC} in row {row}", f"the SOC of the car that arrives in row {row}")
    table_of(folder / CHARGER).drop(columns=layout.CURRENT_SOC).to_csv(folder / CHARGER, index=False)
    refused(folder, CHARGER, layout.ARRIVAL_SOC)


def test_a_required_soc_that_changes_within_a_session_is_refused(folder):
    table = table_of(folder / CHARGER)
    row = next(r for r in rows_of(table, layout.CONNECTED) if r - 1 in rows_of(table, layout.CONNECTED))
    edit(folder, CHARGER, {(row, layout.REQUIRED_SOC): 0.123})
    refused(folder, CHARGER, f"{layout.REQUIRED_SOC} in row {row}", "allowed: one value for the whole session")


def test_a_session_id_that_changes_within_a_session_is_refused(folder):
    table = table_of(folder / CHARGER)
    row = next(r for r in rows_of(table, layout.CONNECTED) if r - 1 in rows_of(table, layout.CONNECTED))
    edit(folder, CHARGER, {(r, layout.SESSION_ID): "second" if r >= row else "first" for r in range(N_STEPS)})
    refused(folder, CHARGER, f"{layout.SESSION_ID} in row {row}", "allowed: one id for the whole session")


def test_a_charger_of_which_no_car_is_known_is_refused(folder):
    table = table_of(folder / CHARGER)
    table[layout.STATE] = layout.AWAY
    table.loc[:, table.columns[1:]] = ""
    table.to_csv(folder / CHARGER, index=False)
    refused(folder, CHARGER, "the id of the charger's car in one row at least, even where none comes")


def test_an_import_limit_with_a_battery_on_automatic_dispatch_is_refused(folder):
    schema = json.loads((folder / layout.SCHEMA_FILE).read_text())
    schema["buildings"]["mall"] |= {"type": layout.AUTOMATIC_BESS_BUILDING, "inactive_actions": ["electrical_storage"]}
    (folder / layout.SCHEMA_FILE).write_text(json.dumps(schema))
    refused(folder, layout.SCHEMA_FILE, f"{SERVICE} is ", "allowed: none with a battery on automatic dispatch")


@pytest.mark.parametrize(
    ("path", "value", "match"),
    [
        ("buildings.mall.chargers.charger_001.attributes.efficiency", 1.2, "is 1.2; allowed: above 0 to 1"),
        ("buildings.mall.chargers.charger_001.attributes.max_charging_power", None, "allowed: finite numbers above 0"),
        ("electric_vehicles_def.ev_001.battery.attributes.capacity", "2.5", 'is "2.5"; allowed: finite numbers above'),
        ("electric_vehicles_def.ev_001.battery.attributes.initial_soc", 85, "is 85; allowed: 0 to 1"),
        ("electric_vehicles_def.ev_001.battery.attributes.loss_coefficient", [0, 1], "is [0, 1]; allowed: 0 to 1"),
        ("buildings.mall.electrical_storage.attributes.capacity_power_curve", [[0, 1]], "x rising from 0 to 1"),
        ("buildings.mall.electrical_storage.attributes.power_efficiency_curve", [[0, 0], [1, 1]], "y above 0 to 1"),
        ("buildings.mall.inactive_actions", ["electrical_storage"], "not in the list, or nobody moves it"),
        ("buildings.mall.inactive_actions", ["electric_vehicle_storage"], "electric_vehicle_storage active"),
        ("buildings.mall.type", layout.AUTOMATIC_BESS_BUILDING, "in the list, as the battery follows the rule"),
        ("buildings.mall.type", "citylearn.building.DynamicsBuilding", "a type other than"),
        ("buildings.mall.electrical_storage", None, "a battery, or electrical_storage in inactive_actions"),
        (f"{SERVICE}.limits.total.import_kw", None, "allowed: finite numbers from 0"),
        (f"{SERVICE}.limits.total.import_kw", -1, "is -1; allowed: finite numbers from 0"),
        (f"{SERVICE}.limits.total", 5, "is 5; allowed: an object"),
        (f"{SERVICE}.limits.per_phase", {"L1": 5}, "L1 is 5; allowed: an object"),
        (SERVICE, {"mode": "single_phase"}, f"{SERVICE}.limits is missing; allowed: an object"),
        ("buildings.mall.power_outage", {"simulate_power_outage": True}, "power outages"),
        ("buildings.mall.pv.attributes.generation_mode", "kw", "allowed: absolute or per_kw"),
        ("buildings.mall.include", False, "allowed: one building with include true"),
        ("buildings.mall.weather", 3, "is 3; allowed: a text"),
        ("electric_vehicles_def.ev_009", {}, "only cars that a charger's file names, which ev_009 is not"),
        ("simulation_end_time_step", 47, "more than 47 rows; allowed: 47"),
        ("simulation_end_time_step", 1, "is 1; allowed: the number of rows, at least 2"),
        ("simulation_start_time_step", 1, "is 1: a start within the files"),
        ("terminal_observation_padding", False, "is false; allowed: true"),
        ("seconds_per_time_step", 900, "is 900: steps other than one hour"),
        ("episode_time_steps", 24, "is 24; allowed: 49"),
    ],
)
def test_schema_errors_name_the_key_and_what_is_allowed(folder, path, value, match):
    schema = json.loads((folder / layout.SCHEMA_FILE).read_text())
    *parents, key = path.split(".")
    node = schema
    for parent in parents:
        node = node[parent]
    node[key] = value
    (folder / layout.SCHEMA_FILE).write_text(json.dumps(schema))
    with pytest.raises(DatasetError, match=re.escape(match)):
        read_dataset(folder / layout.SCHEMA_FILE)
