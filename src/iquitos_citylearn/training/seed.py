"""Training of one seed: one code path that names no algorithm, begun at step 0 or resumed from a checkpoint."""

import contextlib
import logging
import os
import random
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback, CallbackList
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.utils import set_random_seed

from iquitos_citylearn.agents.algorithms import make_model, takes_reward_per_charger, write_model
from iquitos_citylearn.agents.square_root import use_portable_square_root
from iquitos_citylearn.env.setting import Setting, make_setting
from iquitos_citylearn.env.vec_env import ChargingVecEnv
from iquitos_citylearn.params import Actions, ImitationParams
from iquitos_citylearn.runtime.arithmetic_check import check_arithmetic
from iquitos_citylearn.runtime.lock import only_trainer
from iquitos_citylearn.runtime.process_memory import return_free_memory
from iquitos_citylearn.site.draw_files import read_draw
from iquitos_citylearn.training.checkpoint import CheckpointCallback, CheckpointFolder, Checkpoints
from iquitos_citylearn.training.fingerprint import training_fingerprint
from iquitos_citylearn.training.guards import GuardCallback, check_learned
from iquitos_citylearn.training.imitation import TEACHERS_MAPPING, imitate
from iquitos_citylearn.training.jobs import FINISHED, SeedJob
from iquitos_citylearn.training.progress import ProgressCallback
from iquitos_citylearn.training.tensorboard_log import log_to_tensorboard

logger = logging.getLogger(__name__)

WAIT_FOR_ORPHAN_S = 20.0


def train_seed(job: SeedJob, beat: Callable[[], None], stop: Callable[[], int | None]) -> None:
    """Train a seed from its newest checkpoint to the end, and leave the finished training in the checkpoint folder.

    Parameters
    ----------
    job : SeedJob
        What to train.
    beat : callable
        Called at every step.
    stop : callable
        Returns the number of the signal that asks for an end, or None.

    Raises
    ------
    ValueError
        If a keyword argument does not fit the algorithm, or CUDA is asked for and absent.
    FloatingPointError
        If a number is not finite; with the step and its name.
    TrainingInterruptedError
        If `stop` returned a signal; the last checkpoint is on disk.
    AlreadyTrainingError
        If another process trains this seed.
    """
    with only_trainer(job.checkpoint_folder.with_suffix(".lock"), WAIT_FOR_ORPHAN_S):
        env, model = make_training(job)
        fingerprint = training_fingerprint(job.agent, job.seed, model.device.type, job.params, job.training_folder)
        folder = CheckpointFolder(job.checkpoint_folder, fingerprint)
        if folder.is_finished():
            logger.info("%s seed %d: already trained to the end", job.agent, job.seed)
            return
        progress = ProgressCallback(job.seed, job.agent_params.total_timesteps, job.status_file)
        checkpoints = Checkpoints(folder, model, env, progress)
        step = checkpoints.restore()
        if step == 0 and job.agent_params.imitation is not None and env.with_bess:
            _imitate(job, model, job.agent_params.imitation)
        logger.info("%s seed %d: %s at step %d", job.agent, job.seed, "resumed" if step else "started", step)
        log_to_tensorboard(model, job.status_file.with_suffix(""), anew=step == 0)
        callback = CheckpointCallback(checkpoints, job.agent_params.checkpoint_every, job.checkpoint_period_s, stop)
        started_at = time.monotonic()
        _learn(job, model, CallbackList([progress, GuardCallback(beat), callback]))
        folder.write(FINISHED, _model_bytes(job, model), curve=progress.rows, record=training_record(model))
        logger.info(
            "%s seed %d: trained %d steps in %.1f s, %.2f s of it for %d checkpoints",
            job.agent,
            job.seed,
            model.num_timesteps - step,
            time.monotonic() - started_at,
            callback.seconds_spent,
            callback.n_written,
        )


def make_training(job: SeedJob) -> tuple[ChargingVecEnv, BaseAlgorithm]:
    """Return environment and untrained model of a seed, every generator seeded."""
    make_deterministic(job.seed)
    setting = training_setting(job, job.agent_params.actions)
    per_charger = takes_reward_per_charger(job.agent_params)
    env = ChargingVecEnv(setting, job.agent_params.n_envs, job.seed, reward_per_charger=per_charger)
    return env, make_model(job.agent, job.agent_params, job.params.environment, env, job.seed)


def _imitate(job: SeedJob, model: BaseAlgorithm, chosen: ImitationParams) -> None:
    """Let the battery's part of a model start as a policy does that plans (`training/imitation.py`)."""
    started_at = time.monotonic()
    left = imitate(model, training_setting(job, Actions(TEACHERS_MAPPING)), job.params, chosen)
    logger.info(
        "%s seed %d: imitated rollout in %.1f s, mean squared error %.4f",
        job.agent,
        job.seed,
        time.monotonic() - started_at,
        left,
    )


def training_setting(job: SeedJob, actions: Actions) -> Setting:
    """Return the training years of an agent, prepared for environments."""
    sites = [read_draw(folder) for folder in sorted(job.training_folder.iterdir())]
    keys = range(1, len(sites) + 1)
    setting = make_setting(
        sites,
        job.params.environment,
        job.params.reward,
        actions.chargers,
        keys,
        bess_mapping=actions.bess,
    )
    del sites
    return_free_memory()  # of the tables' making: as much as the tables themselves, for as long as the training lasts
    return setting


def training_record(model: BaseAlgorithm) -> dict[str, Any]:
    """Return what was really trained: whole rollouts can be more steps than asked for."""
    n_updates = int(model._n_updates)
    return {
        "timesteps": int(model.num_timesteps),
        "updates": n_updates,
        "updates_per_timestep": n_updates / max(1, int(model.num_timesteps)),
    }


def make_deterministic(seed: int) -> None:
    """Seed every generator, use one thread and deterministic kernels, so that a seed gives the same bytes."""
    check_arithmetic()
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(1)
    torch.set_deterministic_debug_mode("error")
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # a property of the module
    use_portable_square_root()
    torch.distributions.Distribution.set_default_validate_args(False)  # the guards check
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - Stable-Baselines3's replay buffer draws from it
    set_random_seed(seed, using_cuda=torch.cuda.is_available())


def _learn(job: SeedJob, model: BaseAlgorithm, callback: BaseCallback) -> None:
    """Learn up to the agent's total number of steps, from the step at which the model stands."""
    done = int(model.num_timesteps)
    left = job.agent_params.total_timesteps - done
    try:
        with _autocast(job, model):
            model.learn(left, callback=callback, reset_num_timesteps=done == 0)
    except (ValueError, RuntimeError):
        check_learned(model)  # torch refuses what is not finite where it meets it; this names where it came from
        raise


def _model_bytes(job: SeedJob, model: BaseAlgorithm) -> bytes:
    path = job.checkpoint_folder / "model.zip"
    write_model(path, model)
    return path.read_bytes()


def _autocast(job: SeedJob, model: BaseAlgorithm) -> contextlib.AbstractContextManager[Any]:
    """Compute the shared networks of off-policy learners, whose batches are large, in bfloat16 on CUDA."""
    large_batches = isinstance(model, OffPolicyAlgorithm) and takes_reward_per_charger(job.agent_params)
    if large_batches and model.device.type == "cuda":
        return torch.autocast("cuda", dtype=torch.bfloat16)
    return contextlib.nullcontext()
