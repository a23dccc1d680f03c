import csv
import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from iquitos_citylearn.agents.rules import ConstantPolicy
from iquitos_citylearn.env.observation import observation_names
from iquitos_citylearn.evaluation import (
    Candidate,
    CertificationError,
    certify,
    evaluate,
    median_index,
    read_headline_year,
    write_trace,
)
from iquitos_citylearn.kpis import SUMMED
from iquitos_citylearn.rollout import roll_out
from tests.small import TERMS, setting_of

FLAT_KEYS = [
    "n_steps", "grid_import_kwh", "grid_export_kwh", "ev_charging_kwh", "building_load_kwh", "pv_generation_kwh",
    "co2_kg", "cost_usd", "peak_import_kw", "evening_peak_import_kw", "self_consumption", "ev_sessions", "ev_service",
    "ev_unmet_kwh", "ev_overdelivered_kwh", "reward",
]  # fmt: skip
TIMESERIES = [
    "timestamp", "building_load_kwh", "pv_generation_kwh", "ev_charging_kwh", "bess_charge_kwh", "bess_discharge_kwh",
    "bess_soc", "net_grid_kwh", "grid_import_kwh", "grid_export_kwh", "co2_kg", "cost_usd",
]  # fmt: skip


@pytest.fixture(scope="module")
def year(params, stored):
    return read_headline_year(params, stored.schema, "raw")


def candidates(*actions):
    return [
        Candidate(seed, ConstantPolicy(action, 3), {"timesteps": 100 + seed}) for seed, action in enumerate(actions)
    ]


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory, year):
    """Return the folder of an evaluation whose three candidates differ, and the result."""
    folder = tmp_path_factory.mktemp("metrics")
    evaluate("SAC", candidates(1.0, -1.0, 0.0), year, folder)
    text = (folder / "result_SAC.json").read_text()
    return SimpleNamespace(folder=folder, simulations=folder / "simulations", text=text, result=json.loads(text))


def test_exactly_these_files(evaluated):
    files = sorted(path.relative_to(evaluated.folder).as_posix() for path in evaluated.folder.rglob("*"))
    assert files == ["result_SAC.json", "simulations", "simulations/timeseries_SAC.csv", "simulations/trace_SAC.csv"]


def test_keys_of_the_result_in_their_order(evaluated):
    keys = [key for key in evaluated.result if key != "training"]
    assert keys == ["status", "agent", "seed", *FLAT_KEYS, "certification", "runs"]
    assert (evaluated.result["status"], evaluated.result["agent"]) == ("complete", "SAC")
    assert list(evaluated.result["reward"]) == [*TERMS, "total"]
    assert evaluated.result["certification"] == {"n_steps": 72, "max_abs_deviation": 0.0}
    assert [run["seed"] for run in evaluated.result["runs"]] == [0, 1, 2]
    for run in evaluated.result["runs"]:
        assert [key for key in run if key != "training"] == ["seed", *FLAT_KEYS]


def test_the_median_seed_is_on_top(evaluated):
    totals = [run["reward"]["total"] for run in evaluated.result["runs"]]
    assert len(set(totals)) == 3
    seed = evaluated.result["seed"]
    assert totals[seed] == sorted(totals)[1]
    chosen = evaluated.result["runs"][seed]
    assert {key: evaluated.result[key] for key in chosen} == chosen


@pytest.mark.parametrize(
    ("values", "index"),
    [
        ([5.0], 0),
        ([3.0, 1.0, 2.0], 2),
        ([4.0, 1.0], 1),  # of two middle ones the lower
        ([4.0, 1.0, 3.0, 2.0], 3),
        ([2.0, 2.0, 2.0], 1),  # equal ones in the order of the seeds
        ([-1.0, -5.0, -3.0, -2.0, -4.0], 2),
    ],
)
def test_median_index(values, index):
    assert median_index(values) == index


def test_the_time_series_has_the_named_columns_a_row_a_step_and_sums_to_the_result(evaluated):
    with (evaluated.simulations / "timeseries_SAC.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 72
    assert list(rows[0]) == [*TIMESERIES, *(f"reward_{term}" for term in TERMS), "reward_total"]
    for name in SUMMED:
        assert abs(sum(float(row[name]) for row in rows) - evaluated.result[name]) < 1e-6, name
    for term in (*TERMS, "total"):
        assert abs(sum(float(row[f"reward_{term}"]) for row in rows) - evaluated.result["reward"][term]) < 1e-6
    assert max(float(row["grid_import_kwh"]) for row in rows) == evaluated.result["peak_import_kw"]


def test_the_trace_holds_every_step_exactly(evaluated, year):
    table = pd.read_csv(evaluated.simulations / "trace_SAC.csv", dtype=str)
    chargers = ["charger_001", "charger_002", "charger_003"]
    names = observation_names(year.setting.tables.pv_forecast_kwh.shape[2], chargers)
    assert list(table.columns) == (
        [f"obs_{name}" for name in names]
        + [f"action_{name}" for name in chargers]
        + [f"reward_{term}" for term in TERMS]
    )
    assert len(table) == 72
    action = (1.0, -1.0, 0.0)[evaluated.result["seed"]]
    rollout = roll_out(ConstantPolicy(action, 3), year.setting)
    written = table.to_numpy()
    n_names = len(names)
    np.testing.assert_array_equal(written[:, :n_names].astype(np.float32), rollout.observation)
    np.testing.assert_array_equal(written[:, n_names : n_names + 3].astype(np.float64), rollout.charger_action)
    np.testing.assert_array_equal(written[:, n_names + 3 :].astype(np.float64), rollout.reward_terms)


def test_the_same_evaluation_gives_the_same_bytes_and_the_trace_can_be_made_again(evaluated, year, tmp_path):
    evaluate("SAC", candidates(1.0, -1.0, 0.0), year, tmp_path)
    for path in (p for p in evaluated.folder.rglob("*") if p.is_file()):
        assert (tmp_path / path.relative_to(evaluated.folder)).read_bytes() == path.read_bytes(), path
    action = (1.0, -1.0, 0.0)[evaluated.result["seed"]]
    write_trace(tmp_path / "again.csv", roll_out(ConstantPolicy(action, 3), year.setting), year)
    assert (tmp_path / "again.csv").read_bytes() == (evaluated.simulations / "trace_SAC.csv").read_bytes()


def test_nothing_of_machine_or_clock_stands_in_the_result(evaluated):
    for word in ("time", "host", "version", "path", "/"):
        assert word not in evaluated.text.replace("timesteps", "")


def test_a_rule_has_no_seed_and_no_training(year, tmp_path):
    evaluate("UNCONTROLLED", [Candidate(None, ConstantPolicy(1.0, 3), {})], year, tmp_path)
    result = json.loads((tmp_path / "result_UNCONTROLLED.json").read_text())
    assert list(result) == ["status", "agent", *FLAT_KEYS, "certification", "runs"]
    assert len(result["runs"]) == 1


@pytest.mark.parametrize("series", ["net_kwh", "bess_soc", "charger_kwh", "ev_soc"])
def test_the_smallest_tampering_with_any_quantity_shows(year, series):
    rollout = roll_out(ConstantPolicy(1.0, 3), year.setting)
    assert certify(rollout, year)["max_abs_deviation"] == 0.0
    values = getattr(rollout, series)
    step = np.unravel_index(np.argmax(np.abs(values)), values.shape)
    values[step] = np.nextafter(values[step], np.inf)
    deviation = certify(rollout, year)["max_abs_deviation"]
    assert 0.0 < deviation < 1e-9


def test_tampering_with_an_action_shows(year):
    rollout = roll_out(ConstantPolicy(1.0, 3), year.setting)
    charging = np.argwhere(rollout.charger_kwh > 0.5)[0]
    rollout.charger_action[tuple(charging)] *= 0.5
    assert certify(rollout, year)["max_abs_deviation"] > 0.1


def test_a_twin_that_runs_another_site_is_not_certified_and_the_result_says_so(params, year, tmp_path):
    load_kwh = year.site.load_kwh.copy()
    load_kwh[40] += 1.0
    other = replace(year, setting=setting_of(replace(year.site, load_kwh=load_kwh), params))
    with pytest.raises(CertificationError, match=r"PPO: CityLearn deviates from the twin by up to [\d.]+; see the res"):
        evaluate("PPO", candidates(1.0), other, tmp_path)
    result = json.loads((tmp_path / "result_PPO.json").read_text())
    assert result["status"] == "not certified"
    assert result["certification"]["max_abs_deviation"] > 0.01
    assert len((tmp_path / "simulations" / "trace_PPO.csv").read_text().splitlines()) == 73
