"""All that decides how a training goes on, taken between two rollouts.

At the start of a rollout the update before it is complete, so that model, optimisers, environment and generators fit
together. A rollout buffer is empty there. The replay buffer goes to disk apart (`training/replay_segments.py`).

No algorithm is named here: what a model holds is sorted by its kind. Plain values (counters, the last observation) are
stored; networks, optimisers and tensors are stored where the class itself lists them for its model file; what a model
is configured with does not change. Anything else can't be resumed exactly, and is refused by its name.
"""

import random
from collections import deque
from enum import Enum
from types import FunctionType
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Space
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.buffers import BaseBuffer
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.noise import NormalActionNoise, VectorizedActionNoise
from stable_baselines3.common.save_util import recursive_getattr
from stable_baselines3.common.utils import ConstantSchedule, FloatSchedule, LinearSchedule
from stable_baselines3.common.vec_env import VecEnv

from iquitos_citylearn.env.vec_env import ChargingVecEnv

PLAIN = (bool, int, float, str, np.generic, np.ndarray, type(None))
SEQUENCES = (list, tuple, deque)
OF_THIS_PROCESS = frozenset({"start_time", "_custom_logger"})
"""Plain attributes that a resumed training has of its own: its clock, whether it has a log."""
SCHEDULES = (FunctionType, FloatSchedule, ConstantSchedule, LinearSchedule)
UNCHANGING = (type, Enum, Space, torch.device, Logger, VecEnv, BaseBuffer, NormalActionNoise, *SCHEDULES)
"""Kinds of what a model is configured with, of what it is given anew, and of what is empty or stored apart."""


def training_state(model: BaseAlgorithm, env: ChargingVecEnv) -> dict[str, Any]:
    """Return references to all that a resumed training needs; to be serialised before the training goes on.

    Parameters
    ----------
    model : BaseAlgorithm
        Between two rollouts.
    env : ChargingVecEnv
        The environment that it learns in.

    Raises
    ------
    ValueError
        If the model holds what can't be resumed exactly.
    """
    refuse_what_cannot_be_resumed(model)
    return {
        "attributes": {name: value for name, value in vars(model).items() if _is_stored(name, value)},
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
        if not (isinstance(value, str | dict) and value == getattr(model, name)):  # a copy would pickle to other bytes
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


def refuse_what_cannot_be_resumed(model: BaseAlgorithm) -> None:
    """Refuse a model that holds what no checkpoint would.

    Raises
    ------
    ValueError
        With the attribute of the model and its kind.
    """
    if model.use_sde:
        raise ValueError("kwargs.use_sde is True: exploration by a noise matrix can't be resumed exactly")
    kept = _kept(model)
    for name, value in (vars(model) | _optimizers(model)).items():
        if not (_is_plain(value) or _is_unchanging(value) or _is_kept(value, kept)):
            raise ValueError(
                f"{type(model).__name__} holds {name}, a {type(value).__name__}, that it does not list for its model "
                "file: it can't be resumed exactly"
            )


def _is_stored(name: str, value: object) -> bool:
    return name not in OF_THIS_PROCESS and _is_plain(value)


def _is_plain(value: object) -> bool:
    if isinstance(value, SEQUENCES):
        return all(_is_plain(item) for item in value)
    if isinstance(value, dict):
        return all(_is_plain(item) and not isinstance(item, np.ndarray) for item in value.values())
    return isinstance(value, PLAIN)


def _is_unchanging(value: object) -> bool:
    if isinstance(value, (*SEQUENCES, dict)):
        items = value.values() if isinstance(value, dict) else value
        return all(_is_plain(item) or _is_unchanging(item) for item in items)
    if isinstance(value, VectorizedActionNoise):
        return _is_unchanging(value.base_noise)
    return isinstance(value, UNCHANGING)


def _is_kept(value: object, kept: set[tuple[str, int]]) -> bool:
    if isinstance(value, torch.nn.Module):
        return all(_identity(tensor) in kept for tensor in (*value.parameters(), *value.buffers()))
    if isinstance(value, SEQUENCES):
        return all(_is_kept(item, kept) for item in value)
    return _identity(value) in kept


def _kept(model: BaseAlgorithm) -> set[tuple[str, int]]:
    """Return the identities of the optimisers and tensors that the class lists for its model file."""
    objects, variables = model._get_torch_save_params()
    listed = [recursive_getattr(model, name) for name in (*objects, *variables)]
    modules = [item for item in listed if isinstance(item, torch.nn.Module)]
    return {_identity(item) for item in (*listed, *(value for part in modules for value in part.state_dict().values()))}


def _identity(value: object) -> tuple[str, int]:
    """Return what tells optimisers and tensors apart; a tensor of a state dict shares only the memory."""
    return ("memory", value.data_ptr()) if isinstance(value, torch.Tensor) else ("object", id(value))


def _optimizers(model: BaseAlgorithm) -> dict[str, torch.optim.Optimizer]:
    """Return the optimisers that the networks hold, by place and name."""
    return {
        f"policy.{place}.{name}": value
        for place, part in model.policy.named_modules()
        for name, value in vars(part).items()
        if isinstance(value, torch.optim.Optimizer)
    }


def _variables(model: BaseAlgorithm) -> list[str]:
    """Return the names of tensors outside the networks (SAC's entropy coefficient)."""
    names: list[str] = model._get_torch_save_params()[1]
    return names


def _arrays(env: ChargingVecEnv) -> dict[str, Any]:
    return env.state._asdict() | env.outputs._asdict()
