"""How far a training is: a learning curve without clocks, and a status file that any terminal can read."""

import time
from pathlib import Path

import numpy as np
import pandas as pd
from stable_baselines3.common.callbacks import BaseCallback

from iquitos_citylearn.artifacts import write_json
from iquitos_citylearn.env.reward import N_TERMS, TERMS
from iquitos_citylearn.env.vec_env import ChargingVecEnv

STATUS_PERIOD_S = 1.0
CURVE_POINTS = 100


class ProgressCallback(BaseCallback):
    """Record mean reward terms per step, and keep a status file up to date.

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
        self._started_from = 0

    def curve(self) -> pd.DataFrame:
        """Return one row per hundredth of the training: mean reward terms per step since the row before."""
        return pd.DataFrame(self.rows)

    def _on_training_start(self) -> None:
        self._started_at, self._started_from = time.monotonic(), self.model.num_timesteps

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
        self.rows.append(
            {"seed": self.seed, "timesteps": self.model.num_timesteps, "reward": self._mean_reward}
            | {f"reward_{term}": float(value) for term, value in zip(TERMS, means, strict=True)}
        )
        self._sums[:] = 0.0
        self._n_summed = 0

    def report(self, state: str) -> None:
        """Write the status file."""
        self._reported_at = time.monotonic()
        elapsed_s = max(self._reported_at - self._started_at, 1e-9)
        write_json(
            self.status_file,
            {
                "state": state,
                "seed": self.seed,
                "step": self.model.num_timesteps,
                "total": self.total_timesteps,
                "steps_per_s": round((self.model.num_timesteps - self._started_from) / elapsed_s, 1),
                "mean_reward": self._mean_reward,
            },
        )
