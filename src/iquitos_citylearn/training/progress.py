"""How far a training is: a learning curve without clocks, and a status file that any terminal can read."""

import time
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback

from iquitos_citylearn.env.reward import N_TERMS, TERMS
from iquitos_citylearn.env.vec_env import ChargingVecEnv
from iquitos_citylearn.runtime.status_file import update_status

STATUS_PERIOD_S = 1.0
CURVE_POINTS = 100


class ProgressCallback(BaseCallback):
    """Record mean reward terms per step (`rows`, one per hundredth of the training), and keep a status file.

    Parameters
    ----------
    seed, total_timesteps : int
        Which training, and how long it is.
    status_file : Path
        JSON with step, speed and reward, rewritten every second.
    """

    training_env: ChargingVecEnv

    def __init__(self, seed: int, total_timesteps: int, status_file: Path) -> None:
        super().__init__()
        self.seed, self.total_timesteps, self.status_file = seed, total_timesteps, status_file
        self.every = max(1, total_timesteps // CURVE_POINTS)
        self.rows: list[dict[str, float | int]] = []
        self._sums = np.zeros(N_TERMS)
        self._n_summed = 0
        self._mean_reward = 0.0
        self._started_at = self._reported_at = time.monotonic()
        self.resumed_from = 0
        self.checkpoint_step = 0

    def state(self) -> dict[str, Any]:
        """Return what `restore` needs."""
        return {
            "rows": self.rows,
            "sums": self._sums,
            "n_summed": self._n_summed,
            "mean_reward": self._mean_reward,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state of `state`."""
        self.rows, self._sums = state["rows"], state["sums"]
        self._n_summed, self._mean_reward = state["n_summed"], state["mean_reward"]

    def _on_training_start(self) -> None:
        self._started_at = time.monotonic()
        self.resumed_from = self.checkpoint_step = self.model.num_timesteps
        self.report("running")

    def _on_step(self) -> bool:
        terms = self.training_env.outputs.terms
        self._sums += terms.sum(axis=0)
        self._n_summed += len(terms)
        if self._n_summed >= self.every:
            self._close_row()
        if time.monotonic() - self._reported_at >= STATUS_PERIOD_S:
            self.report("running")
        return True

    def _on_training_end(self) -> None:
        if self._n_summed:
            self._close_row()
        self.report("trained")

    def _close_row(self) -> None:
        means = self._sums / self._n_summed
        self._mean_reward = float(means.sum())
        rewards = {"reward": self._mean_reward}
        rewards |= {f"reward_{term}": float(value) for term, value in zip(TERMS, means, strict=True)}
        self.rows.append({"seed": self.seed, "timesteps": self.model.num_timesteps} | rewards)
        for name, value in rewards.items():
            self.logger.record(f"progress/{name}", value)
        self.logger.dump(self.model.num_timesteps)
        self._sums[:] = 0.0
        self._n_summed = 0

    def report(self, state: str) -> None:
        """Write the status file; where it can't be written, the training goes on."""
        self._reported_at = time.monotonic()
        elapsed_s = max(self._reported_at - self._started_at, 1e-9)
        update_status(
            self.status_file,
            state=state,
            seed=self.seed,
            step=self.model.num_timesteps,
            total=self.total_timesteps,
            steps_per_s=round((self.model.num_timesteps - self.resumed_from) / elapsed_s, 1),
            mean_reward=self._mean_reward,
            resumed_from=self.resumed_from,
            checkpoint_step=self.checkpoint_step,
        )
