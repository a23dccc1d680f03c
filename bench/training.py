"""The same Stable-Baselines3 training over the twin and directly on CityLearn, and what of it is the learner.

A slice of each training is run in turn, every algorithm's updates begun, and extrapolated to the budget of
`params.yaml`. The environment over CityLearn is the product's own (`ChargingEnv` with the same observation, reward and
mapping) over the plain `CityLearnEnv`. `Stable-Baselines3` in a name: profile `plain` (MlpPolicy, 256 x 256, actions as
they are), one SAC update per step, one environment (A2C: 4), the same over both simulators; `as shipped`: what
`params.yaml` says. Over CityLearn, rollouts of PPO and A2C are cut to ROLLOUT steps, and there are CITYLEARN_ENVS
environments at most; its work per step is the same, however many there are.
"""

import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

from bench.harness import measure
from bench.sites import SCHEMA, headline_site
from iquitos_citylearn.agents.algorithms import make_model, takes_reward_per_charger
from iquitos_citylearn.env.citylearn import CityLearnSimulator
from iquitos_citylearn.env.gym import ChargingEnv
from iquitos_citylearn.env.setting import Setting, make_setting
from iquitos_citylearn.env.vec_env import ChargingVecEnv
from iquitos_citylearn.params import AgentParams, Params, load_params
from iquitos_citylearn.training.seed import make_deterministic

CITYLEARN_ENVS = 5
"""Environments over CityLearn, at most: each holds its own copy of the year."""
ROLLOUT = 160
"""Steps of all environments together between two updates of PPO and A2C over CityLearn, and a slice there."""
TWIN_SLICE = {"sac": 256, "ppo": 2048, "a2c": 2048}
DEFAULT_ENVS = {"sac": 1, "ppo": 1, "a2c": 4}
DEFAULT_KWARGS = {
    "sac": {"train_freq": 1, "gradient_steps": 1},
    "ppo": {"n_steps": 1024, "n_epochs": 10},
    "a2c": {"n_steps": 256},
}
"""How the same rollouts of 1,024 steps are made without many environments."""
WARM_UP = 64
"""Steps before SAC's first update."""


class ChargerRewardEnv(ChargingEnv):
    """`ChargingEnv` with each charger's part of the reward, as the shipped learners take it."""

    with_bess = False

    def step(self, action: NDArray[np.float32]) -> tuple[NDArray[np.float32], Any, bool, bool, dict[str, Any]]:
        observation, _, terminated, truncated, info = super().step(action)
        return observation, self._charger_reward.copy(), terminated, truncated, info


class Timed(VecEnvWrapper):
    """Environments that add up their own time by a clock [s]."""

    def __init__(self, venv: VecEnv, clock: Callable[[], float]) -> None:
        super().__init__(venv)
        self.clock, self.seconds = clock, 0.0

    def reset(self) -> VecEnvObs:
        return self.venv.reset()

    def step_async(self, actions: NDArray[np.float32]) -> None:
        start = self.clock()
        self.venv.step_async(actions)
        self.seconds += self.clock() - start

    def step_wait(self) -> VecEnvStepReturn:
        start = self.clock()
        result = self.venv.step_wait()
        self.seconds += self.clock() - start
        return result


class Training:
    """A training that goes on by a slice at each call and returns its steps per second by a clock."""

    def __init__(
        self, agent: str, params: Params, *, twin: bool, clock: Callable[[], float] = time.process_time
    ) -> None:
        make_deterministic(0)
        agent_params = params.agent(agent)
        mapping = agent_params.action_mapping
        setting = make_setting([headline_site()], params.environment, params.reward, mapping, [0])
        self.budget = agent_params.total_timesteps
        self.n_steps = TWIN_SLICE[agent] if twin else ROLLOUT
        self.env = Timed((over_twin if twin else over_citylearn)(setting, agent_params), clock)
        prepared = agent_params.model_copy(update={"kwargs": agent_params.kwargs | _slice_kwargs(agent, self)})
        self.model = make_model(agent, prepared, params.environment, self.env, 0)
        self.slices: list[tuple[float, float]] = []

    def __call__(self) -> float:
        before, self.env.seconds, start = self.model.num_timesteps, 0.0, self.env.clock()
        self.model.learn(self.n_steps, reset_num_timesteps=False)
        whole, n_steps = self.env.clock() - start, self.model.num_timesteps - before
        self.slices.append((self.env.seconds / n_steps, whole / n_steps))
        return n_steps / whole

    def note(self) -> str:
        """Say how long the whole training takes, and what of it, by the medians of the slices that count."""
        simulator, whole = (statistics.median(values) for values in zip(*self.slices[1:], strict=True))
        return (
            f"{self.budget:,} steps in {self.budget * whole:,.0f} s; a step {1000.0 * whole:.3g} ms: "
            f"simulator {1000.0 * simulator:.3g} ({simulator / whole:.1%}), learner {1000.0 * (whole - simulator):.3g}"
        )


def _slice_kwargs(agent: str, training: Training) -> dict[str, Any]:
    """Return the keyword arguments that let a slice hold updates."""
    if agent == "sac":
        return {"learning_starts": WARM_UP}
    return {} if training.n_steps > ROLLOUT else {"n_steps": ROLLOUT // training.env.num_envs}


def over_twin(setting: Setting, params: AgentParams) -> VecEnv:
    """Return the environments that agents are trained in."""
    return ChargingVecEnv(setting, params.n_envs, 0, reward_per_charger=takes_reward_per_charger(params))


def over_citylearn(setting: Setting, params: AgentParams) -> VecEnv:
    """Return the same environments over the plain `CityLearnEnv`."""
    per_charger = takes_reward_per_charger(params)
    face = ChargerRewardEnv if per_charger else ChargingEnv
    n_envs = min(params.n_envs, CITYLEARN_ENVS)
    env = DummyVecEnv(
        [lambda: face(CityLearnSimulator(SCHEMA, headline_site(), silent=False), setting) for _ in range(n_envs)]
    )
    if per_charger:
        env.buf_rews = np.zeros((n_envs, *(env.action_space.shape or ())), dtype=np.float32)
    return env


def with_defaults(params: Params) -> Params:
    """Return params with Stable-Baselines3's networks and raw actions, one SAC update per step, few environments."""
    changed = {"profile": "plain"} | {
        agent: params.agent(agent).model_copy(
            update={"n_envs": n_envs, "kwargs": params.agent(agent).kwargs | DEFAULT_KWARGS[agent]}
        )
        for agent, n_envs in DEFAULT_ENVS.items()
    }
    return params.model_copy(update={"train": params.train.model_copy(update=changed)})


def training(agent: str) -> dict[str, Any]:
    """Compare the trainings of an agent."""
    shipped = load_params(Path("params.yaml"))
    defaults = with_defaults(shipped)
    contenders = {
        "twin, as shipped": Training(agent, shipped, twin=True),
        "twin, Stable-Baselines3": Training(agent, defaults, twin=True),
        "CityLearn, as shipped": Training(agent, shipped, twin=False),
        "CityLearn, Stable-Baselines3": Training(agent, defaults, twin=False),
    }
    return compared(contenders)


def training_sac_two_threads() -> dict[str, Any]:
    """Compare SAC with Stable-Baselines3's settings by the clock, with two threads: torch's default on two cores."""
    defaults = with_defaults(load_params(Path("params.yaml")))
    contenders = {
        f"{name}, Stable-Baselines3": Training("sac", defaults, twin=name == "twin", clock=time.perf_counter)
        for name in ("twin", "CityLearn")
    }
    torch.set_num_threads(2)
    return compared(contenders)


def compared(contenders: dict[str, Training]) -> dict[str, Any]:
    """Measure trainings in turn."""
    figures = measure(contenders, rounds=2)
    return {name: row | {"note": contenders[name].note()} for name, row in figures.items()}


training_sac, training_ppo, training_a2c = (partial(training, agent) for agent in ("sac", "ppo", "a2c"))
