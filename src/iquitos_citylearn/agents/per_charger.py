"""Credit per charger, by Stable-Baselines3's own hooks for buffers.

One reward for 128 cars tells an action of one of them little. Here every charger has its own part of the reward
(`env/reward.py`), its own value and its own advantage; the losses of SAC, PPO and A2C work entry by entry and need no
change: to them a batch of B steps and n chargers is one of B x n samples.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.buffers import ReplayBuffer, RolloutBuffer
from stable_baselines3.common.type_aliases import ReplayBufferSamples
from stable_baselines3.common.vec_env import VecNormalize

from iquitos_citylearn.env.features import N_CHARGER_FEATURES


class PerChargerRolloutBuffer(RolloutBuffer):
    """A rollout buffer whose rewards, values, log probabilities and advantages have a charger axis.

    Its arrays have shape (n_steps, n_envs, n_chargers) instead of (n_steps, n_envs).

    Parameters
    ----------
    with_bess : bool
        Whether a last column is the stationary battery's; it is always there, so that its episode is the year.
    """

    def __init__(self, *args: Any, with_bess: bool = False, **kwargs: Any) -> None:
        self.with_bess = with_bess
        super().__init__(*args, **kwargs)

    def reset(self) -> None:
        """Empty the buffer."""
        super().reset()
        shape = (self.buffer_size, self.n_envs, self.action_dim)
        for name in ("rewards", "returns", "values", "log_probs", "advantages"):
            setattr(self, name, np.zeros(shape, dtype=np.float32))

    def add(
        self,
        obs: NDArray[Any],
        action: NDArray[Any],
        reward: NDArray[Any],
        episode_start: NDArray[Any],
        value: torch.Tensor,
        log_prob: torch.Tensor,
    ) -> None:
        """Add a step; reward, value and log_prob have shape (n_envs, n_chargers)."""
        self.observations[self.pos] = obs
        self.actions[self.pos] = action
        self.rewards[self.pos] = reward
        self.episode_starts[self.pos] = episode_start
        self.values[self.pos] = value.cpu().numpy()
        self.log_probs[self.pos] = log_prob.cpu().numpy()
        self.pos += 1
        self.full = self.pos == self.buffer_size

    def compute_returns_and_advantage(self, last_values: torch.Tensor, dones: NDArray[Any]) -> None:
        """Compute each charger's advantages and returns, session by session.

        Parameters
        ----------
        last_values : Tensor, shape (n_envs, n_chargers)
            Values after the last step, 0 where no car is connected.
        dones : ndarray of bool, shape (n_envs,)
            Whether the last step ended a year.

        Notes
        -----
        Generalised advantage estimation (Schulman et al., 2016) with a session as the episode: a charger without a
        car has value 0, and its advantage does not reach back to the car before.
        """
        n_site_features = self.obs_shape[0] - N_CHARGER_FEATURES * (self.action_dim - self.with_bess)
        connected = self.observations[:, :, n_site_features::N_CHARGER_FEATURES]
        if self.with_bess:
            connected = np.pad(connected, ((0, 0), (0, 0), (0, 1)), constant_values=1.0)
        next_values = last_values.cpu().numpy() * (1.0 - dones[:, None])
        advantage = np.zeros_like(next_values)
        for step in reversed(range(self.buffer_size)):
            delta = self.rewards[step] + self.gamma * next_values - self.values[step]
            advantage = (delta + self.gamma * self.gae_lambda * advantage) * connected[step]
            self.advantages[step] = advantage
            same_year = 1.0 - self.episode_starts[step][:, None]
            next_values = self.values[step] * same_year
            advantage = advantage * same_year
        self.returns = self.advantages + self.values


class PerChargerReplayBuffer(ReplayBuffer):
    """A replay buffer whose rewards have a charger axis; samples give them, and `dones`, per step and charger.

    A session that ends needs no `done`: a charger without a car has value 0.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.rewards = np.zeros((self.buffer_size, self.n_envs, self.action_dim), dtype=np.float32)

    def _get_samples(self, batch_inds: NDArray[Any], env: VecNormalize | None = None) -> ReplayBufferSamples:
        samples = super()._get_samples(batch_inds, env)
        return samples._replace(dones=samples.dones.repeat_interleave(self.action_dim, dim=0))
