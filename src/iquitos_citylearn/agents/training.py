"""Training of one agent: every seed, side by side in processes, by one code path that names no algorithm."""

import contextlib
import logging
import multiprocessing
import os
import random
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.utils import set_random_seed

from iquitos_citylearn.agents.algorithms import (
    BFLOAT16_ON_CUDA,
    make_model,
    takes_reward_per_charger,
    write_model,
)
from iquitos_citylearn.agents.progress import ProgressCallback
from iquitos_citylearn.agents.progress_display import show_progress
from iquitos_citylearn.artifacts import write_csv, write_json
from iquitos_citylearn.env.setting import Setting, make_setting
from iquitos_citylearn.env.vec_env import ChargingVecEnv
from iquitos_citylearn.params import Params
from iquitos_citylearn.site.storage import read_draw

logger = logging.getLogger(__name__)


def train_agent(agent: str, params: Params, training_folder: Path, model_folder: Path, run_folder: Path) -> None:
    """Train every seed of an agent and write models, learning curve and the record of what was trained.

    Parameters
    ----------
    agent : str
        A name in `algorithms.ALGORITHMS`.
    params : Params
        The whole params file; `train.<agent>`, `environment` and `reward` are used.
    training_folder : Path
        Draws of the site (`data/training`).
    model_folder : Path
        Where `seed_<n>.zip`, `<agent>_progress.csv` and `training.json` go.
    run_folder : Path
        Where status files go.

    Raises
    ------
    ValueError
        If a keyword argument does not fit the algorithm, or CUDA is asked for and absent.
    """
    seeds = getattr(params.train, agent).seeds
    model_folder.mkdir(parents=True, exist_ok=True)
    status_files = [run_folder / f"seed_{seed}.json" for seed in seeds]
    for status_file in status_files:
        status_file.unlink(missing_ok=True)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(len(seeds), _n_cores()), mp_context=context) as pool:
        futures = [
            pool.submit(
                train_seed, agent, seed, params, training_folder, model_folder / f"seed_{seed}.zip", status_file
            )
            for seed, status_file in zip(seeds, status_files, strict=True)
        ]
        show_progress(agent, seeds, status_files, futures)
        trainings = [future.result() for future in futures]
    write_csv(model_folder / f"{agent}_progress.csv", pd.concat([curve for curve, _ in trainings]))
    records = {f"seed_{seed}": record for seed, (_, record) in zip(seeds, trainings, strict=True)}
    write_json(model_folder / "training.json", records)


def train_seed(
    agent: str, seed: int, params: Params, training_folder: Path, model_file: Path, status_file: Path
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Train one seed, write its model, and return its learning curve and record."""
    agent_params = getattr(params.train, agent)
    make_deterministic(seed)
    setting = training_setting(agent, params, training_folder)
    per_charger = takes_reward_per_charger(agent, agent_params)
    env = ChargingVecEnv(setting, agent_params.n_envs, seed, reward_per_charger=per_charger)
    model = make_model(agent, agent_params, params.environment, env, seed)
    callback = ProgressCallback(seed, agent_params.total_timesteps, status_file)
    with _autocast(agent, model):
        model.learn(agent_params.total_timesteps, callback=callback)
    write_model(model_file, model)
    return callback.curve(), training_record(model)


def training_setting(agent: str, params: Params, training_folder: Path) -> Setting:
    """Return the training years of an agent, prepared for environments."""
    sites = [read_draw(folder) for folder in sorted(training_folder.iterdir())]
    mapping = getattr(params.train, agent).action_mapping
    keys = range(1, len(sites) + 1)
    return make_setting(sites, params.environment, params.reward, mapping, keys)


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
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)  # noqa: FBT003 - torch's signature
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - Stable-Baselines3's replay buffer draws from it
    set_random_seed(seed, using_cuda=torch.cuda.is_available())


def _autocast(agent: str, model: BaseAlgorithm) -> contextlib.AbstractContextManager[Any]:
    if agent in BFLOAT16_ON_CUDA and model.device.type == "cuda":
        return torch.autocast("cuda", dtype=torch.bfloat16)
    return contextlib.nullcontext()


def _n_cores() -> int:
    return len(os.sched_getaffinity(0))
