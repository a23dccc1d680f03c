"""The three algorithms by name: how a model is made, written and read. Nothing else names one of them."""

import copyreg
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from stable_baselines3 import A2C, PPO, SAC
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.type_aliases import TrainFrequencyUnit
from stable_baselines3.common.vec_env import VecEnv

from iquitos_citylearn.agents.per_charger import PerChargerReplayBuffer, PerChargerRolloutBuffer
from iquitos_citylearn.agents.policies import PerChargerPolicy, PerChargerSACPolicy
from iquitos_citylearn.params import AgentParams, EnvironmentParams
from iquitos_citylearn.runtime.artifacts import write_bytes

ALGORITHMS: Mapping[str, type[BaseAlgorithm]] = {"sac": SAC, "ppo": PPO, "a2c": A2C}
FASTER_ON_CPU = frozenset({"a2c"})
BFLOAT16_ON_CUDA = frozenset({"sac"})

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


def algorithm_class(agent: str) -> type[BaseAlgorithm]:
    """Return the Stable-Baselines3 class of an agent.

    Raises
    ------
    ValueError
        For an unknown name; lists the valid ones.
    """
    if agent not in ALGORITHMS:
        raise ValueError(f"agent is {agent!r}; valid are {', '.join(ALGORITHMS)}")
    return ALGORITHMS[agent]


def resolve_device(agent: str, device: str) -> str:
    """Return `cpu` or `cuda`: `auto` is CUDA when there is one, for algorithms that gain from it.

    Raises
    ------
    ValueError
        If CUDA is asked for and there is none.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"train.{agent}.device is 'cuda', but torch {torch.__version__} finds no CUDA device here")
    if device != "auto":
        return device
    return "cuda" if torch.cuda.is_available() and agent not in FASTER_ON_CPU else "cpu"


def takes_reward_per_charger(params: AgentParams) -> bool:
    """Return whether an agent learns from each charger's part of the reward."""
    return params.policy == "per_charger"


def make_model(
    agent: str, params: AgentParams, environment: EnvironmentParams, training_env: VecEnv, seed: int
) -> BaseAlgorithm:
    """Return an untrained model of an agent.

    Raises
    ------
    ValueError
        If `kwargs` holds what the class does not take, with the name of the argument.
    """
    chosen = algorithm_class(agent)
    kwargs = dict(params.kwargs)
    policy_kwargs = dict(kwargs.pop("policy_kwargs", {}))
    policy: str | type[Any] = "MlpPolicy"
    if params.policy == "per_charger":
        policy_kwargs |= {
            "energy_hours": environment.energy_horizon_hours,
            "departure_hours": environment.departure_horizon_hours,
        }
        with_bess = {"with_bess": True} if training_env.get_attr("with_bess")[0] else {}
        policy_kwargs |= with_bess
        if chosen is SAC:
            policy = PerChargerSACPolicy
            policy_kwargs["action_mapping"] = params.action_mapping
            buffer = "replay_buffer"
            kwargs["replay_buffer_class"] = PerChargerReplayBuffer
        else:
            policy = PerChargerPolicy
            buffer = "rollout_buffer"
            kwargs["rollout_buffer_class"] = PerChargerRolloutBuffer
        kwargs[f"{buffer}_kwargs"] = dict(kwargs.get(f"{buffer}_kwargs", {})) | with_bess
    device = resolve_device(agent, params.device)
    try:
        return chosen(policy, training_env, seed=seed, device=device, policy_kwargs=policy_kwargs, **kwargs)
    except TypeError as error:
        raise ValueError(f"train.{agent}.kwargs does not fit {chosen.__name__}: {error}") from error


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


def read_model(agent: str, path: Path) -> BaseAlgorithm:
    """Read a trained model, for prediction on the CPU."""
    return algorithm_class(agent).load(path, device="cpu")
