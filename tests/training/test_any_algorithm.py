"""Algorithms that the package does not name: trained, interrupted, killed, resumed, written, read and evaluated."""

import logging
import time
from importlib.metadata import version

import numpy as np
import pytest
import torch

from iquitos_citylearn.agents.algorithms import algorithm_class, read_model
from iquitos_citylearn.evaluation.captured_share import Reference
from iquitos_citylearn.evaluation.references import as_content
from iquitos_citylearn.evaluation.trained import run_trained, run_untrained
from iquitos_citylearn.params import ParamsError
from iquitos_citylearn.runtime.artifacts import write_bytes, write_json
from iquitos_citylearn.runtime.folders import REFERENCES
from iquitos_citylearn.site.citylearn_files.writer import write_dataset
from iquitos_citylearn.site.draw_files import write_draw
from iquitos_citylearn.site.expectations import fit_expectations, write_expectations
from iquitos_citylearn.training.checkpoint import TrainingInterruptedError
from iquitos_citylearn.training.fingerprint import training_fingerprint
from iquitos_citylearn.training.jobs import FINISHED
from iquitos_citylearn.training.sealed_file import read_sealed
from iquitos_citylearn.training.seed import make_training
from iquitos_citylearn.training.state import refuse_what_cannot_be_resumed
from tests.small import years_of
from tests.training.more_agents import AGENTS, MORE, ON_POLICY, params_with
from tests.training.test_checkpoint import checkpoints_of, stop_after, train
from tests.trainings import job_in, training_process

POLL_S = 0.005
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


@pytest.fixture(scope="module")
def more(tmp_path_factory):
    """The committed params with further agents."""
    return params_with(tmp_path_factory.mktemp("more"), MORE)


@pytest.fixture(scope="module")
def whole(more, training_folder, tmp_path_factory):
    """A function that returns the training of an agent that was left alone."""
    known = {}

    def of(agent):
        if agent not in known:
            known[agent] = train(job_in(tmp_path_factory.mktemp(agent), agent, more, training_folder))
        return known[agent]

    return of


def test_agents_are_added_in_the_order_of_the_files(more):
    assert list(more.train.agents) == ["sac", "ppo", "a2c", *AGENTS]


@pytest.mark.parametrize("agent", AGENTS)
def test_interrupted_and_resumed_equals_uninterrupted(more, training_folder, tmp_path, whole, agent, caplog):
    caplog.set_level(logging.INFO)
    job = job_in(tmp_path, agent, more, training_folder)
    for n_rollouts in (5, 3):
        with pytest.raises(TrainingInterruptedError, match="SIGTERM"):
            train(job, stop_after(n_rollouts))
    parts = train(job)
    assert parts.header["curve"] == whole(agent).header["curve"]
    assert parts.header["record"] == whole(agent).header["record"]
    assert parts.payload == whole(agent).payload
    assert caplog.text.count("resumed at step") == 2
    assert "resumed at step 0" not in caplog.text


def test_killed_and_resumed_equals_uninterrupted(more, training_folder, tmp_path, whole):
    job, log = job_in(tmp_path, "tqc", more, training_folder), tmp_path / "log"
    process = training_process(job, log)
    while not checkpoints_of(job):
        assert process.is_alive(), log.read_text()
        time.sleep(POLL_S)
    process.kill()
    process.join()
    process = training_process(job, log)
    process.join()
    assert process.exitcode == 0, log.read_text()
    assert "tqc seed 0: resumed at step" in log.read_text()
    assert read_sealed(job.checkpoint_folder / FINISHED).payload == whole("tqc").payload


@pytest.mark.filterwarnings("ignore:`n_steps=3` is ignored:UserWarning")  # DDPG's `load`, of the buffer it had made
@pytest.mark.parametrize("agent", AGENTS)
def test_the_classes_own_load_opens_a_model_and_it_learned(more, tmp_path, training_folder, whole, agent):
    path = tmp_path / "seed_0.zip"
    write_bytes(path, whole(agent).payload)
    algorithm = more.agent(agent).algorithm
    _, untrained = make_training(job_in(tmp_path, agent, more, training_folder))
    low, high = untrained.observation_space.low, untrained.observation_space.high
    seen = np.random.default_rng(0).uniform(low, high, (30, len(low))).astype(np.float32)
    first, second = (
        model.predict(seen, deterministic=True)[0]
        for model in (algorithm_class(algorithm).load(path, device="cpu"), read_model(algorithm, path))
    )
    np.testing.assert_array_equal(first, second, strict=True)
    assert np.abs(first - untrained.predict(seen, deterministic=True)[0]).max() > 0.0


def test_it_is_evaluated_as_the_others_are(more, stored, tmp_path, whole, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_dataset(stored.site, tmp_path / "data" / "site")
    seeds = more.site.draws.evaluation_seeds
    for folder, names in (("evaluation", seeds), ("training", (1, 2))):
        for name, site in zip(names, years_of(stored.site, len(names)), strict=True):
            write_draw(site, tmp_path / "data" / folder / str(name))
    write_expectations(tmp_path / "data" / "expectations.json", fit_expectations([stored.site]))
    known = dict.fromkeys((more.site.draws.headline_seed, *seeds, 1, 2), REFERENCE)
    write_json(REFERENCES, as_content(known, {}, bound_out_of_reach=False))
    write_bytes(tmp_path / "seed_0.zip", whole("tqc").payload)
    run = run_trained("tqc", 0, tmp_path / "seed_0.zip", whole("tqc").header["record"], more)
    untrained = run_untrained("tqc", more)
    assert [year["year"] for year in run.figures] == [year["year"] for year in untrained] == list(known)
    assert run.figures[0]["reward"] != untrained[0]["reward"]
    assert run.training["timesteps"] == more.agent("tqc").total_timesteps


@pytest.mark.parametrize(
    ("algorithm", "policy", "message"),
    [
        ("stable_baselines3.DQN", "plain", r"train\.other: stable_baselines3\.DQN: The algorithm only supports"),
        ("sb3_contrib.TQC", "per_charger", r"no network shared by chargers for TQC; `policy: plain` works"),
        ("stable_baselines3.TD3", "per_charger", r"no network shared by chargers for TD3; `policy: plain` works"),
        ("sb3_contrib.TRPO", "per_charger", r"scores the actions of all chargers together; `policy: plain` works"),
        ("sb3_contrib.RecurrentPPO", "plain", r"algorithm is 'sb3_contrib.RecurrentPPO', which has no MlpPolicy but"),
        ("sb3_contrib.ARS", "plain", r"which is neither an on-policy nor an off-policy algorithm"),
        ("stable_baselines3.HerReplayBuffer", "plain", r"which is neither an on-policy nor an off-policy algorithm"),
    ],
)
def test_what_cannot_learn_here_is_refused(tmp_path, training_folder, algorithm, policy, message):
    kwargs = ON_POLICY if algorithm.endswith("TRPO") else {}
    params = params_with(tmp_path, {"other": {"algorithm": algorithm, "policy": policy, "kwargs": kwargs}})
    with pytest.raises(ValueError, match=message):
        train(job_in(tmp_path, "other", params, training_folder))


def test_returns_of_several_steps_are_refused_where_they_would_be_ignored(tmp_path, training_folder):
    agent = {"algorithm": "stable_baselines3.SAC", "policy": "per_charger", "kwargs": {"n_steps": 3}}
    with pytest.raises(ValueError, match=r"train\.n: kwargs\.n_steps is 3; networks shared by chargers learn from one"):
        make_training(job_in(tmp_path, "n", params_with(tmp_path, {"n": agent}), training_folder))


def test_noise_is_a_standard_deviation(tmp_path, training_folder):
    kwargs = MORE["td3"]["kwargs"] | {"action_noise": "normal"}
    params = params_with(tmp_path, {"td3": MORE["td3"] | {"kwargs": kwargs}})
    with pytest.raises(ValueError, match=r"train\.td3: kwargs\.action_noise is 'normal'; a standard deviation"):
        make_training(job_in(tmp_path, "td3", params, training_folder))


@pytest.mark.parametrize(
    ("held", "kind"),
    [
        (np.random.default_rng(0), "Generator"),
        (torch.nn.Linear(2, 2), "Linear"),
        ([torch.zeros(1)], "list"),
        (torch.optim.Adam([torch.zeros(1)]), "Adam"),
    ],
    ids=str,
)
def test_what_no_checkpoint_would_hold_is_refused_by_name(more, tmp_path, training_folder, held, kind):
    _, model = make_training(job_in(tmp_path, "tqc", more, training_folder))
    refuse_what_cannot_be_resumed(model)
    model.extra = held
    with pytest.raises(ValueError, match=rf"TQC holds extra, a {kind}, .*can't be resumed exactly"):
        refuse_what_cannot_be_resumed(model)


def test_an_optimiser_of_a_network_that_is_not_listed_is_refused(more, tmp_path, training_folder):
    _, model = make_training(job_in(tmp_path, "tqc", more, training_folder))
    model.actor.extra_optimizer = torch.optim.Adam(model.actor.parameters())
    with pytest.raises(ValueError, match=r"TQC holds policy\.actor\.extra_optimizer, a Adam"):
        refuse_what_cannot_be_resumed(model)


def test_the_algorithm_and_the_version_of_its_package_decide(more, training_folder):
    fingerprint = training_fingerprint("tqc", 0, "cpu", more, training_folder)
    assert fingerprint["param train.tqc.algorithm"] == "'sb3_contrib.TQC'"
    assert fingerprint["version of sb3-contrib"] == version("sb3-contrib")
    assert "version of sb3-contrib" not in training_fingerprint("sac", 0, "cpu", more, training_folder)


OWN = """
from stable_baselines3 import SAC

class Mine(SAC):
    pass
"""


def test_a_class_of_ones_own_learns_as_its_base_does(tmp_path, training_folder, monkeypatch):
    (tmp_path / "own_algorithm.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    own = {"algorithm": "own_algorithm.Mine", "policy": "per_charger", "kwargs": MORE["tqc"]["kwargs"]}
    own["kwargs"] = {name: value for name, value in own["kwargs"].items() if name != "policy_kwargs"}
    params = params_with(tmp_path, {"mine": own})
    _, model = make_training(job_in(tmp_path, "mine", params, training_folder))
    assert type(model.policy).__name__ == "PerChargerSACPolicy"
    fingerprint = training_fingerprint("mine", 0, "cpu", params, training_folder)
    assert "module own_algorithm" in fingerprint


@pytest.mark.parametrize(
    ("agent", "message"),
    [
        ({"algorithm": "stable_baselines3.TQC"}, r"train\.tqc\.algorithm is '.*TQC': .* has A2C, DDPG, DQN, .*TD3"),
        ({"algorithm": "TQC"}, r"train\.tqc\.algorithm is 'TQC': a package, a dot and a class are needed"),
        ({"algorithm": "sb4.TQC"}, r"train\.tqc\.algorithm is 'sb4\.TQC': no module sb4 is installed"),
        ({"algorithm": "sb3_contrib.nix.TQC"}, r"no module sb3_contrib\.nix is installed"),
        ({"algorithm": "sb3_contrib.TQC", "seed": 1}, r"train\.tqc\.seed is 1: Extra inputs"),
        ({}, r"train\.tqc\.algorithm: Field required"),
    ],
)
def test_a_wrong_agent_is_refused_when_params_are_read(tmp_path, agent, message):
    with pytest.raises(ParamsError, match=message):
        params_with(tmp_path, {"tqc": {"kwargs": {}} | agent})


def test_a_wrong_name_is_refused_with_all_other_problems(tmp_path):
    agents = {"TQC": {"algorithm": "sb3_contrib.TQC", "kwargs": {}}, "td3": {"kwargs": {}}}
    with pytest.raises(ParamsError, match=r"(?s)2 problem.*train\.TQC is 'TQC': String should match.*td3\.algorithm: "):
        params_with(tmp_path, agents)
