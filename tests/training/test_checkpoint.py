import io
import itertools
import logging
import os
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from iquitos_citylearn.agents.algorithms import algorithm_class
from iquitos_citylearn.runtime.lock import AlreadyTrainingError, only_trainer
from iquitos_citylearn.site.draw_files import write_draw
from iquitos_citylearn.training.checkpoint import N_KEPT, TrainingInterruptedError
from iquitos_citylearn.training.fingerprint import describe_changes
from iquitos_citylearn.training.jobs import FINISHED
from iquitos_citylearn.training.sealed_file import DamagedError, Sealed, read_sealed, write_sealed
from iquitos_citylearn.training.seed import train_seed
from tests.small import with_demand_charge, years_of
from tests.trainings import TINY, job_in

AGENTS = tuple(TINY)


def stop_after(n_rollouts):
    """Ask for an end (SIGTERM) at the start of a rollout."""
    asked = itertools.count(1)
    return lambda: 15 if next(asked) > n_rollouts else None


def train(job, stop=lambda: None):
    train_seed(job, lambda: None, stop)
    return read_sealed(job.checkpoint_folder / FINISHED)


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def empty(path):
    path.write_bytes(b"")


@pytest.fixture(scope="module")
def whole(params, training_folder, tmp_path_factory):
    """A SAC training that was left alone."""
    return train(job_in(tmp_path_factory.mktemp("whole"), "sac", params, training_folder))


@pytest.fixture(scope="module")
def interrupted(params, training_folder, tmp_path_factory):
    """A SAC training that was interrupted at step 280, with checkpoints at 160 and 220 before that."""
    folder = tmp_path_factory.mktemp("interrupted")
    job = job_in(folder, "sac", params, training_folder)
    with pytest.raises(TrainingInterruptedError, match="stopped by SIGTERM at step 280"):
        train(job, stop_after(70))
    return folder


@pytest.fixture
def job(interrupted, params, training_folder, tmp_path):
    """A copy of the interrupted training."""
    shutil.copytree(interrupted, tmp_path / "copy")
    return job_in(tmp_path / "copy", "sac", params, training_folder)


def checkpoints_of(job):
    return sorted(job.checkpoint_folder.glob("step_*.sealed"))


@pytest.mark.parametrize("agent", AGENTS)
@pytest.mark.parametrize("policy", ["per_charger", "plain"])
def test_resumed_equals_uninterrupted(params, training_folder, tmp_path, agent, policy, caplog):
    caplog.set_level(logging.INFO)
    whole = train(job_in(tmp_path / "whole", agent, params, training_folder, policy=policy))
    job = job_in(tmp_path / "parts", agent, params, training_folder, policy=policy)
    for n_rollouts in (5, 3, 4):
        with pytest.raises(TrainingInterruptedError, match="SIGTERM"):
            train(job, stop_after(n_rollouts))
    parts = train(job)
    assert parts.header["curve"] == whole.header["curve"]
    assert parts.header["record"] == whole.header["record"]
    assert parts.payload == whole.payload
    assert caplog.text.count("resumed at step") == 3
    assert "resumed at step 0" not in caplog.text


@pytest.mark.parametrize(("agent", "buffer"), [("sac", "replay_buffer_kwargs"), ("ppo", "rollout_buffer_kwargs")])
def test_resumed_equals_uninterrupted_with_a_share_of_the_chargers(params, training_folder, tmp_path, agent, buffer):
    kwargs = TINY[agent]["kwargs"] | {buffer: {"charger_share": 0.5}}
    whole = train(job_in(tmp_path / "whole", agent, params, training_folder, kwargs=kwargs))
    job = job_in(tmp_path / "parts", agent, params, training_folder, kwargs=kwargs)
    for n_rollouts in (5, 3):
        with pytest.raises(TrainingInterruptedError, match="SIGTERM"):
            train(job, stop_after(n_rollouts))
    assert train(job).payload == whole.payload


@pytest.mark.parametrize("agent", ["sac", "a2c"])
def test_resumed_within_a_month_with_a_battery_to_dispatch(params, stored_agent_bess, tmp_path, agent):
    for year, site in enumerate(years_of(stored_agent_bess.site, 4), start=1):
        write_draw(with_demand_charge(replace(site, bess_dispatch="agent")), tmp_path / "training" / str(year))
    whole = train(job_in(tmp_path / "whole", agent, params, tmp_path / "training"))
    job = job_in(tmp_path / "parts", agent, params, tmp_path / "training")
    with pytest.raises(TrainingInterruptedError, match="SIGTERM"):
        train(job, stop_after(5))
    sealed = read_sealed(checkpoints_of(job)[-1])
    state = torch.load(io.BytesIO(sealed.payload), weights_only=False)
    assert (state["training"]["environment"]["peak_kw"] > 0.0).any()
    assert train(job).payload == whole.payload


def test_newest_few_are_kept_and_segments_of_a_full_buffer_removed(job):
    assert len(checkpoints_of(job)) == N_KEPT
    oldest = int(checkpoints_of(job)[0].stem.removeprefix("step_"))
    stops = [int(path.stem.split("_")[2]) for path in job.checkpoint_folder.glob("replay_*.npz")]
    # The buffer holds 150 rows: the oldest checkpoint needs rows from `oldest` - 150 on.
    assert min(stops) > oldest - 150 > 0
    assert max(stops) == 280


@pytest.mark.parametrize("damage", [truncate, flip_bit, empty])
def test_damaged_checkpoint_is_passed_over(job, whole, damage, caplog):
    caplog.set_level(logging.INFO)
    before = int(checkpoints_of(job)[-2].stem.removeprefix("step_"))
    damage(checkpoints_of(job)[-1])
    assert train(job) == Sealed(whole.header, whole.payload)
    assert "step_000000000280.sealed: its checksum is wrong" in caplog.text
    assert f"sac seed 0: resumed at step {before}" in caplog.text


@pytest.mark.parametrize("damage", [truncate, flip_bit, empty, os.unlink])
def test_damaged_segment_costs_only_the_checkpoints_that_need_it(job, whole, damage, caplog):
    caplog.set_level(logging.INFO)
    before = int(checkpoints_of(job)[-2].stem.removeprefix("step_"))
    damage(sorted(job.checkpoint_folder.glob("replay_*.npz"))[-1])
    assert train(job) == Sealed(whole.header, whole.payload)
    assert "a checkpoint that does not need it is tried" in caplog.text
    assert f"sac seed 0: resumed at step {before}" in caplog.text


def test_without_a_sound_checkpoint_the_training_starts_afresh(job, whole, caplog):
    caplog.set_level(logging.INFO)
    for path in checkpoints_of(job):
        truncate(path)
    assert train(job) == Sealed(whole.header, whole.payload)
    assert "sac seed 0: started at step 0" in caplog.text


def test_checkpoint_of_other_params_is_refused_by_name(job, caplog):
    caplog.set_level(logging.INFO)
    changed = job.params.reward.model_copy(update={"priority_mode": "balanced"})
    train(replace(job, params=job.params.model_copy(update={"reward": changed})))
    assert "param reward.priority_mode was 'co2_focus', is 'balanced'" in caplog.text
    assert "started at step 0" in caplog.text


def test_checkpoint_of_other_data_is_refused_by_name(job, tmp_path, caplog):
    data = tmp_path / "training"
    shutil.copytree(job.training_folder, data)
    shutil.copyfile(data / "2" / "series.parquet", data / "1" / "series.parquet")
    train(replace(job, training_folder=data))
    assert "data 1/series.parquet has another content" in caplog.text


def test_how_often_checkpoints_are_written_does_not_matter(job, whole, caplog):
    caplog.set_level(logging.INFO)
    agent_params = job.agent_params.model_copy(update={"checkpoint_every": 10**6, "seeds": (0, 5)})
    train_params = job.params.train.model_copy(update={"sac": agent_params})
    assert train(replace(job, params=job.params.model_copy(update={"train": train_params}))).payload == whole.payload
    assert "resumed at step 280" in caplog.text


def test_finished_seed_is_not_trained_again(job, caplog):
    caplog.set_level(logging.INFO)
    first = train(job)
    assert train(job) == first
    assert "sac seed 0: already trained to the end" in caplog.text
    flip_bit(job.checkpoint_folder / FINISHED)
    assert train(job) == first
    assert "finished.sealed: its checksum is wrong" in caplog.text


def test_changes_are_named():
    earlier = {"seed": "0", "version of torch": "1", "module a": "x", "module b": "y"}
    present = {"seed": "0", "version of torch": "2", "module a": "z", "module c": "y"}
    assert describe_changes(earlier, earlier) == []
    assert describe_changes(earlier, present) == [
        "version of torch was 1, is 2",
        "module a has another content",
        "module b is gone",
        "module c was not there",
    ]


def test_many_changes_are_counted():
    earlier, present = ({f"param {i}": str(i + more) for i in range(11)} for more in (0, 1))
    assert describe_changes(earlier, present)[-1] == "and 3 more"


def test_sealed_file_is_read_back(tmp_path):
    write_sealed(tmp_path / "f", {"step": 3, "share": 0.1}, b"line\nline\n")
    assert read_sealed(tmp_path / "f") == Sealed({"step": 3, "share": 0.1}, b"line\nline\n")


def test_missing_sealed_file_is_named(tmp_path):
    with pytest.raises(DamagedError, match="f: cannot be read: No such file"):
        read_sealed(tmp_path / "f")


def test_lock_names_its_holder(tmp_path):
    lock_file = tmp_path / "seed_0.lock"
    with (
        only_trainer(lock_file),
        pytest.raises(AlreadyTrainingError, match=rf"process {os.getpid()} trains here already.*`kill {os.getpid()}`"),
        only_trainer(lock_file),
    ):
        pass
    with only_trainer(lock_file):
        pass


@pytest.mark.parametrize("agent", AGENTS)
def test_parameter_that_is_not_finite_stops_the_training(params, training_folder, tmp_path, agent, monkeypatch):
    spoilt = job_in(tmp_path, agent, params, training_folder)
    model_class = algorithm_class(spoilt.agent_params.algorithm)
    update = model_class.train

    def spoil(model, *args, **kwargs):
        update(model, *args, **kwargs)
        if model.num_timesteps >= 300:
            with torch.no_grad():
                next(model.policy.parameters()).fill_(np.nan)

    monkeypatch.setattr(model_class, "train", spoil)
    with pytest.raises(FloatingPointError, match=r"step 3\d\d: the parameter .* is not finite"):
        train(spoilt)
    assert checkpoints_of(spoilt)
    monkeypatch.undo()
    train(spoilt)


@pytest.mark.parametrize(("agent", "name"), [("sac", "_loss"), ("ppo", "loss|the gradient|the parameter")])
def test_learning_rate_that_explodes_is_named(params, training_folder, tmp_path, agent, name):
    kwargs = TINY[agent]["kwargs"] | {"learning_rate": 1e30}
    with pytest.raises(FloatingPointError, match=rf"step \d+: .*({name}).* is not finite"):
        train(job_in(tmp_path, agent, params, training_folder, kwargs=kwargs))


@pytest.mark.parametrize(
    ("agent", "kwargs", "message"),
    [
        ("ppo", {"use_sde": True}, "use_sde is True"),
        (
            "sac",
            {"optimize_memory_usage": True, "replay_buffer_kwargs": {"handle_timeout_termination": False}},
            "optimize_memory_usage is True",
        ),
    ],
)
def test_what_cannot_be_resumed_is_refused(params, training_folder, tmp_path, agent, kwargs, message):
    job = job_in(tmp_path, agent, params, training_folder, policy="plain", kwargs=TINY[agent]["kwargs"] | kwargs)
    with pytest.raises(ValueError, match=message):
        train(job)
