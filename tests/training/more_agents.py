"""Agents of algorithms that the default params do not name, laid over them as a user would."""

from pathlib import Path

import yaml

from iquitos_citylearn.params import Params, load_params
from iquitos_citylearn.tools.overlay import write_overlaid
from tests.defaults import PARAMS

COMMON = {
    "total_timesteps": 400,
    "seeds": [0],
    "n_envs": 2,
    "device": "cpu",
    "action_mapping": "three_segment",
    "bess_mapping": "greedy_offset",
    "policy": "plain",
    "checkpoint_every": 60,
}
OFF_POLICY = {"learning_starts": 60, "batch_size": 16, "train_freq": 4, "buffer_size": 150}
"""The buffer is full and overwritten before the end."""
ON_POLICY = {"n_steps": 16, "batch_size": 16}
NET = {"policy_kwargs": {"net_arch": [16, 16]}}
MORE = {
    "tqc": {"algorithm": "sb3_contrib.TQC", "kwargs": OFF_POLICY | NET},
    "td3": {"algorithm": "stable_baselines3.TD3", "kwargs": OFF_POLICY | NET | {"action_noise": 0.1}},
    "ddpg": {"algorithm": "stable_baselines3.DDPG", "kwargs": OFF_POLICY | NET | {"action_noise": 0.2, "n_steps": 3}},
    "crossq": {"algorithm": "sb3_contrib.CrossQ", "kwargs": OFF_POLICY | NET},
    "trpo": {"algorithm": "sb3_contrib.TRPO", "kwargs": ON_POLICY},
}
AGENTS = tuple(MORE)


def params_with(folder: Path, agents: dict) -> Params:
    """Return the committed params with further agents."""
    overlay, target = folder / "overlay.yaml", folder / "params.yaml"
    content = {"train": {name: COMMON | agent for name, agent in agents.items()}}
    overlay.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    write_overlaid(PARAMS, overlay, target)
    return load_params(target)
