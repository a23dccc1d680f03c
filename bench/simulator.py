"""Steps a second: the twin and CityLearn; batches, two processes, sites of any size, horizons."""

import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from threading import Barrier
from typing import Any

import gymnasium
import numpy as np

from bench.harness import measure
from bench.sites import SCHEMA, headline_site, setting_of
from iquitos_citylearn.env.batch import Batch
from iquitos_citylearn.env.citylearn import CityLearnSimulator
from iquitos_citylearn.env.gym import ChargingEnv, TwinEnv
from iquitos_citylearn.env.setting import Setting
from iquitos_citylearn.env.vec_env import ChargingVecEnv
from iquitos_citylearn.site.model import FloatArray

N_ENVS, MANY_ENVS = 32, 256
CHARGERS = (8, 32, 128, 512, 2048, 4096)
N_CHARGERS = 16384
HORIZON = 360
DAYS = (365, 180, 60, 30)
STEPS_IN_PROCESS = 8000


def actions_of(n_envs: int, n_chargers: int) -> FloatArray:
    """Return random actions."""
    return np.random.default_rng(0).uniform(-1.0, 1.0, (n_envs, n_chargers)).astype(np.float32)


def gym_rate(env: gymnasium.Env[Any, Any], n_steps: int) -> Callable[[], float]:
    """Return a function that measures steps per second of processor time, reset apart."""
    action = actions_of(1, env.action_space.shape[0])[0]

    def run() -> float:
        env.reset()
        start = time.process_time()
        for _ in range(n_steps):
            env.step(action)
        return n_steps / (time.process_time() - start)

    return run


def batch_rate(setting: Setting, n_envs: int, n_steps: int, clock: Callable[[], float]) -> Callable[[], float]:
    """Return a function that measures environment-steps per second through `ChargingVecEnv`."""
    env = ChargingVecEnv(setting, n_envs, seed=0)
    actions = actions_of(n_envs, setting.years.session_of.shape[2])

    def run() -> float:
        env.reset()
        start = clock()
        for _ in range(n_steps):
            env.step(actions)
        return n_envs * n_steps / (clock() - start)

    return run


def compiled_rate(setting: Setting, n_envs: int, n_steps: int) -> Callable[[], float]:
    """Return a function that measures the same without Stable-Baselines3's face: no copies, no infos."""
    actions = actions_of(n_envs, setting.years.session_of.shape[2]).astype(np.float64)
    batch = Batch(setting, n_envs)

    def run() -> float:
        for e in range(n_envs):
            batch.start_year(e, 0)
        start = time.process_time()
        for _ in range(n_steps):
            batch.step(actions)
        return n_envs * n_steps / (time.process_time() - start)

    return run


def simulators() -> dict[str, Any]:
    """Compare the twin with CityLearn, plain and silent."""
    setting, site = setting_of(), headline_site()
    return measure(
        {
            "twin, one step": gym_rate(TwinEnv(setting), 5000),
            f"twin, {N_ENVS} environments": batch_rate(setting, N_ENVS, 500, time.process_time),
            f"twin, {MANY_ENVS} environments": batch_rate(setting, MANY_ENVS, 72, time.process_time),
            f"compiled step alone, {MANY_ENVS} environments": compiled_rate(setting, MANY_ENVS, 72),
            "CityLearn, silent": gym_rate(ChargingEnv(CityLearnSimulator(SCHEMA, site), setting), 24),
            "CityLearn": gym_rate(ChargingEnv(CityLearnSimulator(SCHEMA, site, silent=False), setting), 24),
        },
        rounds=7,
    )


def _seconds_from(barrier: Barrier) -> float:
    """Return how long this process takes for its steps, begun when all processes are ready."""
    run = batch_rate(setting_of(), N_ENVS, STEPS_IN_PROCESS, time.perf_counter)
    run()
    barrier.wait()
    return N_ENVS * STEPS_IN_PROCESS / run()


def two_processes() -> dict[str, Any]:
    """Compare two processes with one, by the clock, from a common start to the end of the slower."""
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, ProcessPoolExecutor(2, mp_context=context) as pool:

        def rate(n: int) -> float:
            seconds = list(pool.map(_seconds_from, [manager.Barrier(n)] * n))
            return n * N_ENVS * STEPS_IN_PROCESS / max(seconds)

        return measure({"two processes": lambda: rate(2), "one process": lambda: rate(1)}, rounds=5)


def cost(n_chargers: int, n_steps: int) -> Callable[[], float]:
    """Return a function that measures nanoseconds of processor time per charger and compiled step.

    The environments hold N_CHARGERS together, so that one site's cost does not drown in that of a call from Python.
    """
    rate = compiled_rate(setting_of(n_chargers, n_steps), max(1, N_CHARGERS // n_chargers), n_steps - 1)
    return lambda: 1e9 / (n_chargers * rate())


def chargers() -> dict[str, Any]:
    """Compare sites of 8 to 4,096 chargers."""
    return measure({f"{n} chargers": cost(n, HORIZON) for n in sorted(CHARGERS, reverse=True)}, rounds=9)


def horizon() -> dict[str, Any]:
    """Compare horizons of a month to a year."""
    return measure({f"{days} days": cost(128, 24 * days) for days in DAYS}, rounds=9)
