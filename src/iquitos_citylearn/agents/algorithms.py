"""Learning algorithms: how a model is made, written and read.

Which class learns is said by `train.<agent>.algorithm`. What it can do is asked of the class; no module names one.
"""

import copyreg
import inspect
import io
import json
import pkgutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.policies import ActorCriticPolicy, BasePolicy
from stable_baselines3.common.type_aliases import TrainFrequencyUnit
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.sac.policies import SACPolicy

from iquitos_citylearn.agents.per_charger import PerChargerReplayBuffer, PerChargerRolloutBuffer
from iquitos_citylearn.agents.policies import PerChargerPolicy, PerChargerSACPolicy
from iquitos_citylearn.params import AgentParams, EnvironmentParams
from iquitos_citylearn.runtime.artifacts import write_bytes

FLAT = "MlpPolicy"
"""Name by which every class knows its flat network."""
PER_CHARGER: Mapping[type[BasePolicy], type[BasePolicy]] = {
    ActorCriticPolicy: PerChargerPolicy,
    SACPolicy: PerChargerSACPolicy,
}
"""The network shared by all chargers that takes the place of a flat one."""

DEFAULT_GAMMA = 0.99
"""Discount of Stable-Baselines3's learners where params give none."""

NOT_IN_A_MODEL = (
    "start_time",
    "_last_obs",
    "_last_original_obs",
    "_last_episode_starts",
    "ep_info_buffer",
    "ep_success_buffer",
)
"""What a training holds besides its model: clock and episode state."""

# Patch levels of Python 3.11 pickle an enum in two ways; a model has the same bytes under all of them.
copyreg.pickle(TrainFrequencyUnit, lambda unit: (TrainFrequencyUnit, (unit.value,)))

SYSTEM_INFO = "system_info.txt"
FIXED_DATE = (1980, 1, 1, 0, 0, 0)


def algorithm_class(path: str) -> type[BaseAlgorithm]:
    """Return the class of an algorithm by its class path.

    Raises
    ------
    ValueError
        If it can't be imported, or is not a class that learns here: on or off policy, with a flat network.
    """
    try:
        found = pkgutil.resolve_name(path)
    except (AttributeError, ImportError) as error:
        raise ValueError(f"algorithm is {path!r}: {error}") from error
    if not (isinstance(found, type) and issubclass(found, OnPolicyAlgorithm | OffPolicyAlgorithm)):
        raise ValueError(f"algorithm is {path!r}, which is neither an on-policy nor an off-policy algorithm")  # noqa: TRY004 - params hold a wrong value
    if FLAT not in found.policy_aliases:
        raise ValueError(f"algorithm is {path!r}, which has no {FLAT} but {', '.join(found.policy_aliases)}")
    chosen: type[BaseAlgorithm] = found
    return chosen


def resolve_device(agent: str, device: str) -> str:
    """Return `cpu` or `cuda`: `auto` is CUDA where there is one.

    Raises
    ------
    ValueError
        If CUDA is asked for and there is none.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"train.{agent}.device is 'cuda', but torch {torch.__version__} finds no CUDA device here")
    if device != "auto":
        return device
    return "cuda" if torch.cuda.is_available() else "cpu"


def takes_reward_per_charger(params: AgentParams) -> bool:
    """Return whether an agent learns from each charger's part of the reward."""
    return params.policy == "per_charger"


def make_model(
    agent: str, params: AgentParams, environment: EnvironmentParams, training_env: VecEnv, seed: int
) -> BaseAlgorithm:
    """Return an untrained model of an agent, with a logger that writes nothing.

    Raises
    ------
    ValueError
        If the class can't learn here, or `kwargs` holds what it does not take, with the name of the argument.
    """
    try:
        chosen = algorithm_class(params.algorithm)
        policy, kwargs = _policy_and_kwargs(chosen, params, environment, training_env)
    except ValueError as error:
        raise ValueError(f"train.{agent}: {error}") from error
    device = resolve_device(agent, params.device)
    try:
        model = chosen(policy, training_env, seed=seed, device=device, **kwargs)
    except TypeError as error:
        raise ValueError(f"train.{agent}.kwargs does not fit {chosen.__name__}: {error}") from error
    except AssertionError as error:  # so a class refuses actions that it can't take
        raise ValueError(f"train.{agent}: {params.algorithm}: {error}") from error
    model.set_logger(Logger(None, []))  # Stable-Baselines3's own leaves a folder in the temporary folder
    return model


def _policy_and_kwargs(
    chosen: type[BaseAlgorithm], params: AgentParams, environment: EnvironmentParams, training_env: VecEnv
) -> tuple[str | type[BasePolicy], dict[str, Any]]:
    """Return the network and the keyword arguments that a class is called with."""
    kwargs = params.kwargs | {"policy_kwargs": dict(params.kwargs.get("policy_kwargs", {}))}
    if kwargs.get("action_noise") is not None:
        kwargs["action_noise"] = _noise(kwargs["action_noise"], training_env)
    if "net_arch" in kwargs["policy_kwargs"]:
        kwargs["policy_kwargs"]["net_arch"] = _as_lists(kwargs["policy_kwargs"]["net_arch"])
    if params.policy == "plain":
        return FLAT, kwargs
    network = _per_charger_network(chosen)
    with_bess = {"with_bess": True} if training_env.get_attr("with_bess")[0] else {}
    kwargs["policy_kwargs"] |= {
        "energy_hours": environment.energy_horizon_hours,
        "departure_hours": environment.departure_horizon_hours,
    } | with_bess
    if with_bess and params.imitation is not None:
        kwargs["policy_kwargs"]["imitates"] = True
    if issubclass(chosen, OffPolicyAlgorithm):
        if kwargs.get("n_steps", 1) != 1:
            raise ValueError(f"kwargs.n_steps is {kwargs['n_steps']}; networks shared by chargers learn from one step")
        kwargs["policy_kwargs"]["action_mapping"] = params.action_mapping
        buffer, kwargs["replay_buffer_class"] = "replay_buffer_kwargs", PerChargerReplayBuffer
        with_bess |= {"gamma": kwargs.get("gamma", DEFAULT_GAMMA)} if with_bess else {}
    else:
        buffer, kwargs["rollout_buffer_class"] = "rollout_buffer_kwargs", PerChargerRolloutBuffer
    kwargs[buffer] = dict(kwargs.get(buffer, {})) | with_bess
    return network, kwargs


def _per_charger_network(chosen: type[BaseAlgorithm]) -> type[BasePolicy]:
    """Return the shared network in place of a class's flat one; the class must also take a buffer for it."""
    network = PER_CHARGER.get(chosen.policy_aliases[FLAT])
    hook = "replay_buffer_class" if issubclass(chosen, OffPolicyAlgorithm) else "rollout_buffer_class"
    if network is None or hook not in inspect.signature(chosen).parameters:
        raise ValueError(
            f"policy is 'per_charger', but there is no network shared by chargers for {chosen.__name__}; "
            "`policy: plain` works"
        )
    return network


def _as_lists(layers: Any) -> Any:
    """Return the layers of a flat network as Stable-Baselines3 wants them; params hold tuples."""
    if isinstance(layers, dict):
        return {name: _as_lists(each) for name, each in layers.items()}
    return list(layers) if isinstance(layers, tuple) else layers


def _noise(std: object, training_env: VecEnv) -> NormalActionNoise:
    """Return Gaussian noise of a standard deviation on actions, which are scaled to -1 to 1 there."""
    if not isinstance(std, int | float) or std <= 0:
        raise ValueError(f"kwargs.action_noise is {std!r}; a standard deviation above 0 is needed, or null")
    shape = training_env.action_space.shape or ()
    return NormalActionNoise(np.zeros(shape), np.full(shape, float(std)))


def write_model(path: Path, model: BaseAlgorithm) -> None:
    """Write a model as Stable-Baselines3's zip, without what differs between identical trainings.

    The class's own `load` opens it. Host, versions and times are left out; entries are sorted and carry a fixed date.
    """
    saved = io.BytesIO()
    model.save(saved, exclude=NOT_IN_A_MODEL)
    packed = io.BytesIO()
    with zipfile.ZipFile(saved) as source, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        for name in sorted(set(source.namelist()) - {SYSTEM_INFO}):
            entry = zipfile.ZipInfo(name, FIXED_DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            content = source.read(name)
            target.writestr(entry, _without_addresses(content) if name == "data" else content)
    write_bytes(path, packed.getvalue())


def _without_addresses(data: bytes) -> bytes:
    """Drop what Stable-Baselines3 adds to pickled objects for human readers: it holds addresses of this process."""
    kept = {
        name: {key: value[key] for key in (":type:", ":serialized:")} if _is_pickled(value) else value
        for name, value in json.loads(data).items()
    }
    return json.dumps(kept, indent=1).encode("ascii")


def _is_pickled(value: object) -> bool:
    return isinstance(value, dict) and ":serialized:" in value


def read_model(algorithm: str, path: Path) -> BaseAlgorithm:
    """Read a trained model of a class, given by its class path, for prediction on the CPU."""
    return algorithm_class(algorithm).load(path, device="cpu")
