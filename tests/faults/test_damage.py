"""Params and data sets damaged at random, given to the program: one message that names the place, whatever it is."""

import logging
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from iquitos_citylearn.cli import main
from iquitos_citylearn.site.citylearn_files import layout
from tests.defaults import PARAMS
from tests.faults.project import prepare_evaluation
from tests.test_params import DEFAULTS, changed

pytestmark = pytest.mark.faults

OFTEN = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
EVALUATE = ("evaluate", "--policy", "uncontrolled")
CHARGER = "charger_simulation_001.csv"
TABLES = (layout.BUILDING_FILE, layout.WEATHER_FILE, layout.PRICING_FILE, layout.CARBON_FILE, CHARGER)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**20), 10**20), st.floats(), st.text(max_size=5), st.just([]), st.just({})
)


@pytest.fixture
def iquitos(monkeypatch, capsys):
    """A function that runs the program in this process and folder, and returns its exit status and what it said."""
    monkeypatch.setattr(logging, "basicConfig", lambda **_: None)  # the program's log would outlive the test

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["iquitos", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code, capsys.readouterr().err

    return run


def leaves(node, path=()):
    if isinstance(node, dict) and node:
        for key, value in node.items():
            yield from leaves(value, (*path, key))
    else:
        yield path


PATHS = [path[:depth] for path in leaves(DEFAULTS) for depth in range(2, len(path) + 1)]


@OFTEN
@given(data=st.data(), value=SCALARS)
def test_params_with_any_value_anywhere(iquitos, tmp_path, monkeypatch, data, value):
    monkeypatch.chdir(tmp_path)
    path = data.draw(st.sampled_from(PATHS))
    content = changed(**{"__".join(path): value})
    Path("params.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    code, said = iquitos(*EVALUATE)  # there is no data set: what gets that far ends there
    assert code == 1
    assert said.startswith("error: params.yaml: ") or "error: data/" in said
    if said.startswith("error: params.yaml: "):
        assert any(name in said for name in (".".join(path[:depth]) for depth in range(1, len(path) + 1)))


@OFTEN
@given(start=st.integers(0, 9000), length=st.integers(0, 40), text=st.text(max_size=8))
def test_params_with_any_text_anywhere(iquitos, tmp_path, monkeypatch, start, length, text):
    monkeypatch.chdir(tmp_path)
    whole = PARAMS.read_text(encoding="utf-8")
    damaged = whole[:start] + text + whole[start + length :]
    Path("params.yaml").write_bytes(damaged.encode("utf-8", "surrogatepass"))
    code, said = iquitos(*EVALUATE)
    assert code == 1
    assert said.startswith("error: params.yaml: ") or "error: data/" in said


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    prepare_evaluation(folder)
    return folder


def connected(table):
    return int(np.flatnonzero(table[layout.STATE] == str(layout.CONNECTED))[0])


def drop_column(table, column, _):
    return table.drop(columns=column), f"column {column} is missing"


def no_number(table, column, row):
    table.loc[row, column] = "nan"
    return table, f"{column} in row {row} (line {row + 2})"


def a_text(table, column, row):
    table.loc[row, column] = "abc"
    return table, column


def cut_off(table, _, row):
    return table.iloc[:row], "rows; allowed: 72"


DAMAGES = (drop_column, no_number, a_text, cut_off)


@OFTEN
@given(data=st.data(), file=st.sampled_from(TABLES[:-1]), damage=st.sampled_from(DAMAGES), row=st.integers(1, 71))
def test_tables_with_any_damage(iquitos, whole, tmp_path_factory, monkeypatch, data, file, damage, row):
    folder, path = damaged_copy(whole, tmp_path_factory, file)
    table = pd.read_csv(path, dtype=object, keep_default_na=False)
    if damage is drop_column and len(table.columns) == 1:
        damage = cut_off
    table, named = damage(table, data.draw(st.sampled_from(list(table.columns))), row)
    table.to_csv(path, index=False)
    refused(iquitos, monkeypatch, folder, file, named)


def unknown_car(table):
    table.loc[connected(table), layout.EV_ID] = "ev_999"
    return layout.EV_ID


def percent(table):
    table.loc[connected(table), layout.REQUIRED_SOC] = "85"
    return layout.REQUIRED_SOC


def overlap(table):
    row = connected(table)
    last = next(r for r in range(row, len(table)) if table.loc[r, layout.DEPARTURE_TIME] == "1")
    table.loc[last, layout.DEPARTURE_TIME] = "5"
    return layout.DEPARTURE_TIME


def wrong_type(table):
    table.loc[:, layout.STATE] = table[layout.STATE] + ".0"
    return layout.STATE


@pytest.mark.parametrize("damage", [unknown_car, percent, overlap, wrong_type])
def test_sessions_with_each_damage(iquitos, whole, tmp_path_factory, monkeypatch, damage):
    folder, path = damaged_copy(whole, tmp_path_factory, CHARGER)
    table = pd.read_csv(path, dtype=object, keep_default_na=False)
    named = damage(table)
    table.to_csv(path, index=False)
    refused(iquitos, monkeypatch, folder, CHARGER, f"{named} in row ")


def damaged_copy(whole, tmp_path_factory, file):
    folder = shutil.copytree(whole, tmp_path_factory.mktemp("damaged") / "project")
    return folder, folder / "data" / "site" / file


def refused(iquitos, monkeypatch, folder, file, named):
    monkeypatch.chdir(folder)
    code, said = iquitos(*EVALUATE)
    assert code == 1
    assert said.startswith(f"error: data/site/{file}"), said
    assert named in said
    assert not list((folder / "metrics").glob("result_*"))
