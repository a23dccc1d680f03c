"""Untrained and hardly trained agents of the small site."""

import torch

from iquitos_citylearn.agents.algorithms import make_model
from iquitos_citylearn.env.vec_env import ChargingVecEnv
from tests.small import setting_of, small_site, years_of

torch.set_num_threads(1)  # as in trainings; small networks only wait for each other's threads

POLICIES = ("per_charger", "plain")
SMALL = {
    "sac": {
        "total_timesteps": 100,
        "n_envs": 1,
        "kwargs": {
            "learning_rate": 3e-4,
            "learning_starts": 20,
            "batch_size": 16,
            "train_freq": 4,
            "gradient_steps": 1,
        },
    },
    "ppo": {"total_timesteps": 64, "n_envs": 1, "kwargs": {"n_steps": 48, "batch_size": 16, "n_epochs": 2}},
    "a2c": {"total_timesteps": 64, "n_envs": 2, "kwargs": {"n_steps": 12}},
}
AGENTS = tuple(SMALL)


def small_agent(params, agent, policy="per_charger", class_kwargs=None):
    """Return the params of an agent that trains in a second; `class_kwargs` are added to those of its class."""
    chosen = SMALL[agent] | {"policy": policy, "device": "cpu"}
    chosen["kwargs"] = chosen["kwargs"] | (class_kwargs or {})
    return params.train.agents[agent].model_copy(update=chosen)


def small_model(params, agent, policy="per_charger", seed=0, class_kwargs=None):
    """Return an untrained model over four years of the small site, and its params."""
    agent_params = small_agent(params, agent, policy, class_kwargs)
    return small_model_of(agent, agent_params, params, seed), agent_params


def small_model_of(agent, agent_params, params, seed=0):
    """Return an untrained model of given params over four years of the small site."""
    setting = setting_of(years_of(small_site(4), 4), params, agent_params.action_mapping, keys=[1, 2, 3, 4])
    per_charger = agent_params.policy == "per_charger"
    env = ChargingVecEnv(setting, agent_params.n_envs, seed, reward_per_charger=per_charger)
    return make_model(agent, agent_params, params.environment, env, seed)


def small_training(params, agent, policy="per_charger", seed=0):
    """Return a model that has learned for a moment."""
    model, agent_params = small_model(params, agent, policy, seed)
    return model.learn(agent_params.total_timesteps)
