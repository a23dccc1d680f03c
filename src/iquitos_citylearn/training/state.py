"""All that decides how a training goes on, taken between two rollouts.

At the start of a rollout the update before it is complete, so that model, optimisers, environment and generators fit
together. A rollout buffer is empty there. The replay buffer goes to disk apart (`training/replay_segments.py`).
"""

import random
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.save_util import recursive_getattr

from iquitos_citylearn.env.vec_env import ChargingVecEnv

COUNTERS_AND_EPISODES = (
    "num_timesteps",
    "_n_updates",
    "_episode_num",
    "_current_progress_remaining",
    "_last_obs",
    "_last_original_obs",
    "_last_episode_starts",
    "ep_info_buffer",
    "ep_success_buffer",
)
"""Attributes of a Stable-Baselines3 algorithm that change while it learns, besides networks and buffers."""


def training_state(model: BaseAlgorithm, env: ChargingVecEnv) -> dict[str, Any]:
    """Return references to all that a resumed training needs; to be serialised before the training goes on.

    Parameters
    ----------
    model : BaseAlgorithm
        Between two rollouts.
    env : ChargingVecEnv
        The environment that it learns in.
    """
    return {
        "attributes": {name: getattr(model, name) for name in COUNTERS_AND_EPISODES},
        "parameters": model.get_parameters(),
        "variables": {name: recursive_getattr(model, name) for name in _variables(model)},
        "environment": _arrays(env),
        "generators": {
            "python": random.getstate(),
            "numpy": np.random.get_state(),  # noqa: NPY002 - Stable-Baselines3's replay buffer draws from it
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all() if model.device.type == "cuda" else [],
            "environment": env.rng.bit_generator.state,
            "actions": model.action_space.np_random.bit_generator.state,
        },
    }


def restore_training_state(model: BaseAlgorithm, env: ChargingVecEnv, state: dict[str, Any]) -> None:
    """Put a state of `training_state` into a new model and a new environment of the same kind."""
    for name, value in state["attributes"].items():
        setattr(model, name, value)
    model.set_parameters(state["parameters"], exact_match=True, device=model.device)
    for name, tensor in state["variables"].items():
        recursive_getattr(model, name).data.copy_(tensor)
    for name, array in _arrays(env).items():
        array[...] = state["environment"][name]
    generators = state["generators"]
    random.setstate(generators["python"])
    np.random.set_state(generators["numpy"])  # noqa: NPY002 - as above
    torch.set_rng_state(generators["torch"])
    if generators["cuda"]:
        torch.cuda.set_rng_state_all(generators["cuda"])
    env.rng.bit_generator.state = generators["environment"]
    model.action_space.np_random.bit_generator.state = generators["actions"]


def _variables(model: BaseAlgorithm) -> list[str]:
    """Return the names of tensors outside the networks (SAC's entropy coefficient)."""
    names: list[str] = model._get_torch_save_params()[1]
    return names


def _arrays(env: ChargingVecEnv) -> dict[str, Any]:
    return env.state._asdict() | env.outputs._asdict()
