import csv
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from iquitos_citylearn.env.observation import observation_names
from iquitos_citylearn.env.replay import LEFT_OUT
from iquitos_citylearn.evaluation.candidates import (
    Candidate,
    certify_and_write,
    evaluation_of,
    median_index,
    run_candidate,
    write_trace,
)
from iquitos_citylearn.evaluation.captured_share import Reference
from iquitos_citylearn.evaluation.certification import CertificationError, certify, certify_sample
from iquitos_citylearn.evaluation.key_figures import SUMMED
from iquitos_citylearn.evaluation.references import (
    actions_at,
    as_content,
    best_constants,
    find_references,
    read_best_constants,
)
from iquitos_citylearn.evaluation.year_figures import year_figures
from iquitos_citylearn.evaluation.years import make_evaluated_years
from iquitos_citylearn.params import Actions
from iquitos_citylearn.policies.register import Kind, PolicyEntry
from iquitos_citylearn.policies.rollout import roll_out_years, trace_year, trace_years
from iquitos_citylearn.policies.rules import ConstantPolicy, RandomPolicy
from iquitos_citylearn.runtime.artifacts import write_json
from iquitos_citylearn.stages.references import meanings_of_actions
from tests.small import TERMS, hand_site, setting_of, small_site, years_of

FLAT_KEYS = [
    "n_steps", "grid_import_kwh", "grid_export_kwh", "ev_charging_kwh", "building_load_kwh", "pv_generation_kwh",
    "co2_kg", "cost_usd", "peak_import_kw", "evening_peak_import_kw", "self_consumption", "ev_sessions", "ev_service",
    "ev_unmet_kwh", "ev_overdelivered_kwh", "reward",
]  # fmt: skip
TIMESERIES = [
    "timestamp", "building_load_kwh", "pv_generation_kwh", "ev_charging_kwh", "bess_charge_kwh", "bess_discharge_kwh",
    "bess_soc", "net_grid_kwh", "grid_import_kwh", "grid_export_kwh", "co2_kg", "cost_usd",
]  # fmt: skip


SHARES = ["captured_share_co2", "captured_share_cost", "plain_share_co2"]
SEEDS = (2023, 101)
REFERENCE = Reference(
    uncontrolled_co2_kg=10.0,
    uncontrolled_cost_usd=4.0,
    optimum_co2_kg=6.0,
    optimum_cost_usd=2.0,
    bound_co2_kg=5.0,
    bound_cost_usd=1.0,
    resolution_co2_kg=1e-3,
    resolution_cost_usd=1e-3,
)
REFERENCES = dict.fromkeys(SEEDS, REFERENCE)


@pytest.fixture(scope="module")
def years(params, stored):
    """The stored year as the headline year, and another year of its site."""
    return make_evaluated_years(params, SEEDS, [stored.site, years_of(stored.site, 1)[0]], [0, 1], Actions("raw"))


def candidates(*actions):
    return [
        Candidate(seed, ConstantPolicy(action, 3), {"timesteps": 100 + seed}) for seed, action in enumerate(actions)
    ]


def policy_entry(name, replayed=True):
    """Return a policy that no register knows."""
    kind = Kind.RULE if name == "LATEST" else Kind.AGENT
    return PolicyEntry(name=name.lower(), kind=kind, summary="", action_mapping="raw", replayed_in_full=replayed)


def evaluate(name, candidates, years, metrics_folder, schema):
    runs = [run_candidate(candidate, years, REFERENCES) for candidate in candidates]
    entry = policy_entry(name, replayed=schema is not None)
    evaluation, run_folder = evaluation_of(entry, runs, years, REFERENCES), metrics_folder.with_name("runs")
    certify_and_write(evaluation, metrics_folder, run_folder=run_folder, schema=schema or Path())


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory, years, stored):
    """Return the folder of an evaluation whose three candidates differ, and the result."""
    folder = tmp_path_factory.mktemp("metrics")
    evaluate("SAC", candidates(1.0, -1.0, 0.0), years, folder, schema=stored.schema)
    text = (folder / "result_SAC.json").read_text()
    return SimpleNamespace(folder=folder, simulations=folder / "simulations", text=text, result=json.loads(text))


def test_exactly_these_files(evaluated):
    files = sorted(path.relative_to(evaluated.folder).as_posix() for path in evaluated.folder.rglob("*"))
    assert files == ["result_SAC.json", "simulations", "simulations/timeseries_SAC.csv", "simulations/trace_SAC.csv"]


def test_keys_of_the_result_in_their_order(evaluated):
    assert list(evaluated.result) == [
        "status", "policy", "kind", "seed", "year", *FLAT_KEYS, "adjusted", "month_peaks_kw", *SHARES, "training",
        "mean", "reference", "certification", "runs",
    ]  # fmt: skip
    assert [evaluated.result[key] for key in ("status", "policy", "kind")] == ["complete", "sac", "agent"]
    assert list(evaluated.result["reward"]) == [*TERMS, "total"]
    for run in evaluated.result["runs"]:
        assert list(run) == ["seed", "year", *FLAT_KEYS, "adjusted", "month_peaks_kw", *SHARES]
    runs = [(run["seed"], run["year"]) for run in evaluated.result["runs"]]
    assert runs == [(0, 2023), (0, 101), (1, 2023), (1, 101), (2, 2023), (2, 101)]


def test_it_says_what_citylearn_replayed(evaluated):
    assert evaluated.result["certification"] == {
        "headline": {"year": 2023, "n_steps": 72, "max_abs_deviation": 0.0, "left_out": LEFT_OUT},
        "sampled": {"year": 101, "n_steps": 72, "max_abs_deviation": 0.0, "left_out": LEFT_OUT},
    }


def test_the_headline_year_of_the_median_seed_is_on_top(evaluated):
    runs = evaluated.result["runs"]
    rewards = [runs[2 * seed]["reward"]["total"] + runs[2 * seed + 1]["reward"]["total"] for seed in range(3)]
    assert len(set(rewards)) == 3
    seed = evaluated.result["seed"]
    assert rewards[seed] == sorted(rewards)[1]
    chosen = runs[2 * seed]
    assert {key: evaluated.result[key] for key in chosen} == chosen
    assert evaluated.result["training"] == {"timesteps": 100 + seed}


def test_shares_are_of_the_years_reference_and_means_are_over_all_runs(evaluated):
    runs = evaluated.result["runs"]
    for run in runs:
        assert run["captured_share_co2"] == (10.0 - run["adjusted"]["co2_kg"]) / 4.0
        assert run["captured_share_cost"] == (4.0 - run["adjusted"]["cost_usd"]) / 2.0
        assert run["plain_share_co2"] == (10.0 - run["co2_kg"]) / 4.0
        assert run["adjusted"]["co2_kg"] >= run["co2_kg"]
    mean = sum(run["captured_share_co2"] for run in runs) / 6
    assert evaluated.result["mean"]["captured_share_co2"] == pytest.approx(mean)
    assert evaluated.result["reference"]["optimum_co2_kg"] == 6.0
    assert evaluated.result["reference"]["bound_out_of_reach"]


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


def test_the_trace_holds_every_step_exactly(evaluated, years):
    table = pd.read_csv(evaluated.simulations / "trace_SAC.csv", dtype=str)
    chargers = ["charger_001", "charger_002", "charger_003"]
    names = observation_names(years.setting.tables, years.setting.equipment, chargers)
    assert list(table.columns) == (
        [f"obs_{name}" for name in names]
        + [f"action_{name}" for name in chargers]
        + [f"reward_{term}" for term in TERMS]
    )
    assert len(table) == 72
    action = (1.0, -1.0, 0.0)[evaluated.result["seed"]]
    (rollout, _), (trace,) = trace_years(ConstantPolicy(action, 3), years.setting, n_traced=1)
    written = table.to_numpy()
    n_names = len(names)
    np.testing.assert_array_equal(written[:, :n_names].astype(np.float32), trace.observation)
    np.testing.assert_array_equal(written[:, n_names : n_names + 3].astype(np.float64), trace.charger_action)
    np.testing.assert_array_equal(written[:, n_names + 3 :].astype(np.float64), rollout.reward_terms)


def test_the_same_evaluation_gives_the_same_bytes_and_the_trace_can_be_made_again(evaluated, years, stored, tmp_path):
    evaluate("SAC", candidates(1.0, -1.0, 0.0), years, tmp_path, schema=stored.schema)
    for path in (p for p in evaluated.folder.rglob("*") if p.is_file()):
        assert (tmp_path / path.relative_to(evaluated.folder)).read_bytes() == path.read_bytes(), path
    action = (1.0, -1.0, 0.0)[evaluated.result["seed"]]
    (rollout, _), (trace,) = trace_years(ConstantPolicy(action, 3), years.setting, n_traced=1)
    write_trace(tmp_path / "again.csv", rollout, trace, years[0])
    assert (tmp_path / "again.csv").read_bytes() == (evaluated.simulations / "trace_SAC.csv").read_bytes()


def test_nothing_of_machine_or_clock_stands_in_the_result(evaluated):
    for word in ("time", "host", "version", "path", "/"):
        assert word not in evaluated.text.replace("timesteps", "")


def test_a_rule_has_no_seed_and_no_training_and_publishes_no_series_that_was_not_replayed(years, tmp_path):
    evaluate("LATEST", [Candidate(None, ConstantPolicy(1.0, 3), {})], years, tmp_path, schema=None)
    assert [path.name for path in tmp_path.rglob("*")] == ["result_LATEST.json"]
    result = json.loads((tmp_path / "result_LATEST.json").read_text())
    assert not {"seed", "training"} & set(result)
    assert [run["year"] for run in result["runs"]] == [2023, 101]
    assert list(result["certification"]) == ["sampled"]


def test_what_citylearn_cannot_replay_is_written_all_the_same_and_says_why(years, store, tmp_path):
    other = store(small_site(5))  # cars come and go at other hours in it
    with pytest.raises(
        CertificationError, match=r"PPO: CityLearn can't replay it: step \d+: .* disagree on whether a car"
    ):
        evaluate("PPO", candidates(1.0), years, tmp_path, schema=other.schema)
    result = json.loads((tmp_path / "result_PPO.json").read_text())
    assert (result["status"], result["certification"]) == ("not certified", {})
    assert "disagree" in result["error"]
    assert len(result["runs"]) == 2
    assert len((tmp_path / "simulations" / "timeseries_PPO.csv").read_text().splitlines()) == 73


def test_years_run_along_count_for_nothing_but_themselves(params, years):
    further = make_evaluated_years(params, (7,), [years_of(years[0].site, 1)[0]], [2], Actions("raw"))
    three = make_evaluated_years(
        params, (*SEEDS, 7), [year.site for year in (*years, *further)], [0, 1, 2], Actions("raw")
    )
    references = REFERENCES | {7: REFERENCE}
    runs = [run_candidate(candidate, three, references) for candidate in candidates(1.0, -1.0, 0.0)]
    evaluation = evaluation_of(policy_entry("PPO"), runs, years, REFERENCES)
    assert [run["year"] for run in evaluation.runs] == [*SEEDS] * 3
    assert [run["year"] for run in evaluation.further_runs] == [7] * 3
    runs_alone = [run_candidate(candidate, years, REFERENCES) for candidate in candidates(1.0, -1.0, 0.0)]
    alone = evaluation_of(policy_entry("PPO"), runs_alone, years, {})
    assert evaluation.runs == alone.runs
    assert evaluation.median.training == alone.median.training
    with pytest.raises(ValueError, match=r"ppo was run over the years \(2023,\); it must be \(2023, 101\)"):
        evaluation_of(policy_entry("PPO"), [replace(runs[0], figures=runs[0].figures[:1])], years, REFERENCES)


def test_what_there_is_to_gain_and_what_a_constant_gains(years):
    references = find_references(years)
    assert list(references) == list(SEEDS)
    at_once = roll_out_years(ConstantPolicy(1.0, 3), years.setting)
    for index, reference in enumerate(references.values()):
        carbon = years[index].site.carbon_kg_per_kwh
        assert reference.uncontrolled_co2_kg == pytest.approx(float(np.maximum(at_once[index].net_kwh, 0) @ carbon))
        assert reference.bound_co2_kg <= reference.optimum_co2_kg + 1e-3
        assert reference.optimum_co2_kg <= reference.uncontrolled_co2_kg + 1e-3
    constants = best_constants(years, references)
    assert list(constants) == ["co2", "cost"]
    for name, constant in constants.items():
        assert -1.0 <= constant["action"] <= 1.0
        assert constant[f"captured_share_{name}"] >= -1e-9, "charging at once is one of the constants"
        assert constant[f"captured_share_{name}"] >= max(
            other[f"captured_share_{name}"] for other in constants.values()
        )


@pytest.mark.parametrize("dispatch", ["automatic", "agent"])
def test_the_references_have_a_constant_for_every_agent_of_a_site(params, tmp_path, dispatch):
    bess = params.site.bess.model_copy(update={"dispatch": dispatch})
    params = params.model_copy(update={"site": params.site.model_copy(update={"bess": bess})})
    constants = {actions: {"co2": {"action": list(actions)}} for actions in meanings_of_actions(params)}
    path = tmp_path / "references.json"
    write_json(path, as_content({}, constants, bound_out_of_reach=False))
    for agent in params.train.agents.values():
        found = read_best_constants(path, actions_at(params.site, agent.actions))["co2"]["action"]
        assert found == [agent.action_mapping, agent.bess_mapping if dispatch == "agent" else "greedy_offset"]


@pytest.mark.parametrize("series", ["net_kwh", "bess_soc", "charger_kwh", "ev_soc"])
def test_the_smallest_tampering_with_any_quantity_shows(years, stored, series):
    rollout, trace = trace_year(ConstantPolicy(1.0, 3), years[0])
    assert certify(rollout, trace, stored.schema, stored.site)["max_abs_deviation"] == 0.0
    values = getattr(trace if series == "charger_kwh" else rollout, series)
    step = np.unravel_index(np.argmax(np.abs(values)), values.shape)
    values[step] = np.nextafter(values[step], np.inf)
    deviation = certify(rollout, trace, stored.schema, stored.site)["max_abs_deviation"]
    assert 0.0 < deviation < 1e-9


def test_tampering_with_an_action_shows(years, stored):
    rollout, trace = trace_year(ConstantPolicy(1.0, 3), years[0])
    charging = np.argwhere(trace.charger_kwh > 0.5)[0]
    trace.charger_action[tuple(charging)] *= 0.5
    assert certify(rollout, trace, stored.schema, stored.site)["max_abs_deviation"] > 0.1


def test_a_sample_is_replayed_from_a_data_set_of_its_own_up_to_its_last_step(years, tmp_path):
    (_, rollout), (_, trace) = trace_years(ConstantPolicy(1.0, 3), years.setting, n_traced=2)
    rollout, trace = rollout.copy(30), trace.copy(30)
    folder = tmp_path / "sampled_year"
    folder.mkdir()
    (folder / "left_by_a_killed_process").touch()
    certified = certify_sample(rollout, trace, years[1].site, folder)
    assert certified == {"n_steps": 30, "max_abs_deviation": 0.0, "left_out": LEFT_OUT}
    rollout.net_kwh[29] += 1.0
    assert not folder.exists()
    assert certify_sample(rollout, trace, years[1].site, folder)["max_abs_deviation"] == pytest.approx(1.0)


def test_a_twin_that_runs_another_site_is_not_certified_and_the_result_says_so(params, years, stored, tmp_path):
    load_kwh = stored.site.load_kwh.copy()
    load_kwh[40] += 1.0
    other = replace(years, setting=setting_of([replace(stored.site, load_kwh=load_kwh), years[1].site], params))
    with pytest.raises(CertificationError, match=r"PPO: CityLearn deviates from the twin by up to [\d.]+; see the res"):
        evaluate("PPO", candidates(1.0), other, tmp_path, schema=stored.schema)
    result = json.loads((tmp_path / "result_PPO.json").read_text())
    assert result["status"] == "not certified"
    assert result["certification"]["headline"]["max_abs_deviation"] > 0.01
    assert result["certification"]["sampled"]["max_abs_deviation"] == 0.0
    assert len((tmp_path / "simulations" / "trace_PPO.csv").read_text().splitlines()) == 73


def test_a_dispatched_battery_is_replayed_and_traced(params, stored_agent_bess, tmp_path):
    site = stored_agent_bess.site
    years = make_evaluated_years(params, (1,), [site], [0], Actions("raw"))
    rollout, trace = trace_year(RandomPolicy(0, site.n_chargers + 1), years[0])
    assert np.ptp(trace.bess_action) > 1.0
    assert certify(rollout, trace, stored_agent_bess.schema, site)["max_abs_deviation"] == 0.0
    write_trace(tmp_path / "trace.csv", rollout, trace, years[0])
    table = pd.read_csv(tmp_path / "trace.csv", float_precision="round_trip")
    np.testing.assert_array_equal(table["action_bess"], trace.bess_action)
    assert table["obs_month_peak"].max() > 0.0


def test_under_an_import_limit_a_car_lacks_what_the_best_plan_would_have_given_it(params):
    # Two cars want 2 kWh in the only hour that both are there; the connection carries 3 kWh of it.
    sessions = [(0, 2, 3, 0.0, 0.25), (1, 2, 3, 0.0, 0.25)]
    site = replace(hand_site(sessions, n_steps=24), import_limit_kw=3.0)
    years = make_evaluated_years(params, [1], [site], [0], Actions("raw"))
    (idle,) = roll_out_years(ConstantPolicy(-1.0, 2), years.setting)
    assert year_figures(idle, years[0])["ev_unmet_kwh"] == pytest.approx(3.0, abs=1e-5)
    free = make_evaluated_years(params, [1], [hand_site(sessions, n_steps=24)], [0], Actions("raw"))
    assert year_figures(idle, free[0])["ev_unmet_kwh"] == pytest.approx(4.0)
