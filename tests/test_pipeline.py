"""The whole pipeline on tiny params: real DVC, real CityLearn, real agents, in a temporary copy of the project."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from iquitos_citylearn.params import load_params
from iquitos_citylearn.runtime.artifacts import read_json
from iquitos_citylearn.stages.compare import result_files
from iquitos_citylearn.study.case import prepare_case
from iquitos_citylearn.tools.file_keys import COMPARISON, DATASET, ENVIRONMENT, REFERENCES, RESULT
from tests.json_keys import keys_of, not_among
from tests.pipelines import RUNNER, repro, set_params

pytestmark = pytest.mark.xdist_group("pipeline")

CASCADE = ["train_sac", "evaluate@sac", "train_ppo", "evaluate@ppo", "train_a2c", "evaluate@a2c", "compare"]


def test_agents_follow_one_another_each_evaluated_before_the_next_starts(first_run):
    _, ran = first_run
    assert ran[0] == "build_dataset"
    assert {"references", "baseline@uncontrolled", "baseline@required", "baseline@optimum", "rules"} <= set(ran)
    assert [stage for stage in ran if stage in CASCADE] == CASCADE
    assert len(ran) == len(set(ran))


def test_every_declared_output_is_there_and_git_sees_only_results(first_run):
    folder, _ = first_run
    status = subprocess.run(
        ["git", "status", "--porcelain", "--untracked-files=all", "metrics", "models", "data"],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    )
    seen = {line[3:] for line in status.stdout.splitlines()}
    results = {path.as_posix() for path in result_files(load_params(folder / "params.yaml"), Path("metrics"))}
    assert {"metrics/dataset.json", "metrics/comparison.json", "metrics/comparison.md"} | results <= seen
    assert not [path for path in seen if path.endswith((".zip", ".csv", ".parquet", ".gitignore"))]


def test_metrics_show_is_flat(first_run):
    folder, _ = first_run
    shown = subprocess.run(
        [sys.executable, "-m", "dvc", "metrics", "show", "--md"], cwd=folder, check=True, capture_output=True, text=True
    ).stdout
    header, *rows = shown.splitlines()
    assert "grid_import_kwh" in header
    assert sum("result_" in row for row in rows) >= 5


OF_A_DISPATCHED_BATTERY = ("built_on", "imitated.<mean figure>")


@pytest.mark.parametrize(
    ("pattern", "keys", "absent"),
    [
        ("result_*.json", RESULT, {"error", *OF_A_DISPATCHED_BATTERY}),
        (
            "comparison.json",
            COMPARISON,
            {"absent.<file>", *(f"policies.<policy>.{key}" for key in OF_A_DISPATCHED_BATTERY)},
        ),
        ("references.json", REFERENCES, set()),
        ("dataset.json", DATASET, set()),
        ("environment.json", ENVIRONMENT, set()),
    ],
)
def test_every_key_that_a_run_writes_is_documented_and_no_other(first_run, pattern, keys, absent):
    contents = [read_json(file) for file in first_run[0].glob(f"metrics/{pattern}")]
    assert set().union(*(not_among(keys, content) for content in contents)) == set()
    written = set().union(*map(keys_of, contents))
    assert {key.name for key in keys if not any(map(key.matches, written))} == absent


def test_a_second_run_runs_nothing(project):
    assert repro(project)[:2] == (0, [])


@pytest.mark.long
def test_a_run_from_scratch_gives_the_same_bytes(project):
    before = (project / "dvc.lock").read_bytes()
    status, ran, output = repro(project, "--force", "--no-run-cache")
    assert status == 0, output
    assert len(ran) == len(CASCADE) + 7  # data set, references, four baselines, rules
    assert (project / "dvc.lock").read_bytes() == before


def test_a_case_runs_what_its_params_change_and_leaves_the_run_above_as_it_is(project):
    overlay, folder = project / "gamma.yaml", project / ".study" / "gamma"
    overlay.write_text("train: {ppo: {kwargs: {gamma: 0.5}}}\n")
    prepare_case(folder, overlay, project, from_run=True)
    status, ran, output = repro(folder)
    assert status == 0, output
    assert ran == ["train_ppo", "evaluate@ppo", "compare"]
    assert (folder / "metrics" / "result_SAC.json").read_bytes() == (project / "metrics/result_SAC.json").read_bytes()
    assert (folder / "metrics" / "result_PPO.json").read_bytes() != (project / "metrics/result_PPO.json").read_bytes()
    assert repro(project)[:2] == (0, [])


FURTHER_AGENT = """
train:
  tqc:
    algorithm: sb3_contrib.TQC
    total_timesteps: 60
    seeds: [0]
    n_envs: 1
    device: cpu
    action_mapping: raw
    bess_mapping: greedy_offset
    policy: plain
    checkpoint_every: 500
    kwargs: {learning_starts: 20, batch_size: 16, buffer_size: 60, policy_kwargs: {net_arch: [16]}}
"""


def test_a_case_with_a_further_agent_trains_evaluates_and_compares_it_without_a_change_of_the_sources(project):
    overlay, folder = project / "tqc.yaml", project / ".study" / "tqc"
    overlay.write_text(FURTHER_AGENT)
    prepare_case(folder, overlay, project, from_run=True)
    status, ran, output = repro(folder)
    assert status == 0, output
    assert ran == ["train_tqc", "evaluate@tqc", "compare"]
    tqc = read_json(folder / "metrics" / "comparison.json")["policies"]["tqc"]
    assert (tqc["kind"], tqc["n_seeds"], list(tqc["replayed_steps"])) == ("agent", 1, ["headline", "sampled"])
    assert "| tqc |" in (folder / "metrics" / "comparison.md").read_text()
    assert (folder / "models" / "tqc" / "seed_0.zip").is_file()
    assert repro(folder)[:2] == (0, [])


def test_the_study_records_citylearns_own_figures_of_every_published_year(project):
    subprocess.run([sys.executable, "-m", "iquitos_citylearn.study", "citylearn_kpis"], cwd=project, check=True)
    figures = read_json(project / "study" / "results" / "citylearn_kpis" / "evaluate_v2.json")
    assert set(figures) == {"uncontrolled", "required", "mpc", "optimum", "sac", "ppo", "a2c"}
    for policy, theirs in figures.items():
        ours = read_json(project / "metrics" / f"result_{policy.upper()}.json")
        assert theirs["district_energy_grid_total_import_control_kwh"] == pytest.approx(ours["grid_import_kwh"])


def test_a_failing_agent_stops_no_other_and_is_named_last(project):
    # A replay buffer of 10^13 steps exceeds any address space: SAC fails where it allocates it.
    set_params(project, "train: {sac: {kwargs: {buffer_size: 10000000000000}}}")
    set_params(project, "train: {ppo: {kwargs: {gamma: 0.5}}, a2c: {kwargs: {gamma: 0.5}}}")
    status, ran, output = repro(project)
    assert status == 255
    assert ran == ["train_sac", "train_ppo", "evaluate@ppo", "train_a2c", "evaluate@a2c"]
    assert output.strip().splitlines()[-1] == "ERROR: failed to reproduce 'train_sac'"


def interrupted(project, log, command, seconds):
    """Run the pipeline and interrupt it, as a terminal does, so long after a command has started; return the status."""
    with log.open("w") as stream:
        run = subprocess.Popen(RUNNER, cwd=project, stdout=stream, stderr=stream, start_new_session=True)
    deadline = time.monotonic() + 1200
    while f"> {command}" not in log.read_text():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)
    time.sleep(seconds)
    os.killpg(run.pid, signal.SIGINT)
    return run.wait(timeout=1200)


def test_ctrl_c_during_training_ends_the_run(project, tmp_path):
    set_params(project, "train: {sac: {total_timesteps: 10000000}, ppo: {kwargs: {gamma: 0.5}}}")
    log = tmp_path / "log.txt"
    assert interrupted(project, log, "iquitos train sac", seconds=8) == 130  # into the training itself
    assert re.findall(r"Running stage '(.+)'", log.read_text()) == ["train_sac"]
    assert not (project / "models" / "sac").exists() or not list((project / "models" / "sac").glob("*.zip"))


def test_an_evaluation_that_was_cut_short_runs_again_without_training(project, tmp_path):
    set_params(project, "train: {ppo: {kwargs: {gamma: 0.5}}}")
    assert interrupted(project, tmp_path / "log.txt", "iquitos evaluate --policy ppo", seconds=1) == 130
    assert (project / "models" / "ppo" / "seed_0.zip").is_file()
    status, ran, output = repro(project)
    assert status == 0, output
    assert ran == ["evaluate@ppo", "compare"]
