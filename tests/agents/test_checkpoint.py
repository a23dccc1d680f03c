import itertools
import logging

import pytest

from iquitos_citylearn.agents.checkpoint import TrainingInterruptedError
from iquitos_citylearn.agents.jobs import FINISHED
from iquitos_citylearn.agents.sealed_file import read_sealed
from iquitos_citylearn.agents.training import train_seed
from tests.trainings import TINY, job_in

AGENTS = tuple(TINY)


def stop_after(n_rollouts):
    """Ask for an end (SIGTERM) at the start of a rollout."""
    asked = itertools.count(1)
    return lambda: 15 if next(asked) > n_rollouts else None


def train(job, stop=lambda: None):
    train_seed(job, lambda: None, stop)
    return read_sealed(job.checkpoint_folder / FINISHED)


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
