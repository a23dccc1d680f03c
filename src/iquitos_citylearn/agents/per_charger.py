"""Credit per charger, by Stable-Baselines3's own hooks for buffers.

One reward for 128 cars tells an action of one of them little. Here every charger has its own part of the reward
(`env/reward.py`), its own value and its own advantage; the losses of SAC, PPO and A2C work entry by entry and need no
change: to them a batch of B steps and n chargers is one of B x n samples.

Cars of one step have much in common, and an update costs as many rows as there are cars. So an update can take a share
of the chargers of each step (`charger_share`), drawn anew each time: the mean over them estimates the mean over all.
"""

from typing import Any

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from stable_baselines3.common.buffers import ReplayBuffer, RolloutBuffer
from stable_baselines3.common.type_aliases import ReplayBufferSamples, RolloutBufferSamples
from stable_baselines3.common.vec_env import VecNormalize

from iquitos_citylearn.env.features import N_CHARGER_FEATURES


class DrawnChargers:
    """Draws some of the chargers for each sample of an update, and says where they are in observation and action.

    Parameters
    ----------
    n_observations, n_actions : int
        Sizes of observation and action.
    share : float
        Share of the chargers, above 0 and at most 1; at least one charger is drawn.
    with_bess : bool
        Whether the last action is the battery's; every sample has it.

    Raises
    ------
    ValueError
        If the share is out of its range.
    """

    def __init__(self, n_observations: int, n_actions: int, share: float, *, with_bess: bool) -> None:
        if not 0.0 < share <= 1.0:
            raise ValueError(f"charger_share is {share!r}; it must be above 0 and at most 1")
        self.n_chargers = n_actions - with_bess
        self.n_drawn = max(1, round(share * self.n_chargers))
        self.n_actions = self.n_drawn + with_bess
        self.n_site_features = n_observations - N_CHARGER_FEATURES * self.n_chargers
        self.with_bess = with_bess

    @property
    def are_all(self) -> bool:
        """Whether every charger is drawn each time."""
        return self.n_drawn == self.n_chargers

    def draw(self, n_samples: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Draw chargers; return the columns of observation and of action, an array (n_samples, ...) each.

        The chargers of a sample are neighbours in a ring of random order, which is the same for all samples; where they
        begin is drawn for each.
        """
        ring = np.random.permutation(self.n_chargers)  # noqa: NPY002 - a checkpoint holds the state of this generator
        first = np.random.randint(self.n_chargers, size=n_samples)  # noqa: NPY002 - as above
        ring = np.concatenate([ring, ring[: self.n_drawn]])
        chargers = sliding_window_view(ring, self.n_drawn)[first]
        blocks = (self.n_site_features + N_CHARGER_FEATURES * ring[:, None] + np.arange(N_CHARGER_FEATURES)).ravel()
        drawn = sliding_window_view(blocks, N_CHARGER_FEATURES * self.n_drawn)[N_CHARGER_FEATURES * first]
        site = np.broadcast_to(np.arange(self.n_site_features), (n_samples, self.n_site_features))
        observed = np.concatenate([site, drawn], axis=1)
        if self.with_bess:
            chargers = np.pad(chargers, ((0, 0), (0, 1)), constant_values=self.n_chargers)
        return observed, chargers


class PerChargerRolloutBuffer(RolloutBuffer):
    """A rollout buffer whose rewards, values, log probabilities and advantages have a charger axis.

    Its arrays have shape (n_steps, n_envs, n_chargers) instead of (n_steps, n_envs).

    Parameters
    ----------
    with_bess : bool
        Whether a last column is the stationary battery's; it is always there, so that its episode is the year.
    charger_share : float
        Share of the chargers that an update takes of each step.
    bess_gamma : float or None
        Discount of the battery's rewards; None: that of the learner. A night is longer than a car's stay.
    bess_reward_scale : float
        Factor on the battery's part of the reward.
    """

    def __init__(
        self,
        *args: Any,
        with_bess: bool = False,
        charger_share: float = 1.0,
        bess_gamma: float | None = None,
        bess_reward_scale: float = 1.0,
        **kwargs: Any,
    ) -> None:
        self.with_bess = with_bess
        super().__init__(*args, **kwargs)
        # One number where there is one: an array of it would round the advantages in another way.
        self.discounts: float | NDArray[np.float32] = self.gamma
        self.scales = np.ones(self.action_dim, dtype=np.float32)
        if with_bess:
            self.discounts = np.full(self.action_dim, self.gamma, dtype=np.float32)
            self.discounts[-1] = self.gamma if bess_gamma is None else bess_gamma
            self.scales[-1] = bess_reward_scale
        self.drawn = DrawnChargers(self.obs_shape[0], self.action_dim, charger_share, with_bess=with_bess)

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
        self.rewards[self.pos] = reward * self.scales
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
            delta = self.rewards[step] + self.discounts * next_values - self.values[step]
            advantage = (delta + self.discounts * self.gae_lambda * advantage) * connected[step]
            self.advantages[step] = advantage
            same_year = 1.0 - self.episode_starts[step][:, None]
            next_values = self.values[step] * same_year
            advantage = advantage * same_year
        self.returns = self.advantages + self.values

    def _get_samples(self, batch_inds: NDArray[Any], env: VecNormalize | None = None) -> RolloutBufferSamples:
        if self.drawn.are_all:
            return super()._get_samples(batch_inds, env)
        observed, acting = self.drawn.draw(len(batch_inds))
        per_charger = (self.values, self.log_probs, self.advantages, self.returns)
        return RolloutBufferSamples(
            self.to_torch(_taken(self.observations, batch_inds, observed)),
            self.to_torch(_taken(self.actions, batch_inds, acting)),
            *(self.to_torch(_taken(array, batch_inds, acting).ravel()) for array in per_charger),
        )


class PerChargerReplayBuffer(ReplayBuffer):
    """A replay buffer whose rewards have a charger axis; samples give them, and `dones`, per step and charger.

    A session that ends needs no `done`: a charger without a car has value 0.

    Parameters
    ----------
    with_bess : bool
        Whether the last action is the stationary battery's.
    charger_share : float
        Share of the chargers that an update takes of each transition, the same in observation and next observation.
    gamma : float
        Discount of the learner.
    bess_gamma, bess_reward_scale
        As for `PerChargerRolloutBuffer`. SAC has one discount for all entries and multiplies it by 1 - `dones`, which
        here turns it into the battery's.
    """

    def __init__(
        self,
        *args: Any,
        with_bess: bool = False,
        charger_share: float = 1.0,
        gamma: float = 1.0,
        bess_gamma: float | None = None,
        bess_reward_scale: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._bess_discount = 1.0 if bess_gamma is None else bess_gamma / gamma
        self._bess_reward_scale = bess_reward_scale
        self.rewards = np.zeros((self.buffer_size, self.n_envs, self.action_dim), dtype=np.float32)
        self.drawn = DrawnChargers(self.obs_shape[0], self.action_dim, charger_share, with_bess=with_bess)

    def add(
        self,
        obs: NDArray[Any],
        next_obs: NDArray[Any],
        action: NDArray[Any],
        reward: NDArray[Any],
        done: NDArray[Any],
        infos: list[dict[str, Any]],
    ) -> None:
        """Add a transition; reward has shape (n_envs, n_actions)."""
        if self.drawn.with_bess:
            reward = np.concatenate([reward[:, :-1], reward[:, -1:] * self._bess_reward_scale], axis=1)
        super().add(obs, next_obs, action, reward, done, infos)

    def _get_samples(self, batch_inds: NDArray[Any], env: VecNormalize | None = None) -> ReplayBufferSamples:
        if self.drawn.are_all:
            samples = super()._get_samples(batch_inds, env)
            ends = self._ends(samples.dones.cpu().numpy().ravel(), self.action_dim)
            return samples._replace(dones=self.to_torch(ends))
        envs = np.random.randint(self.n_envs, size=len(batch_inds))  # noqa: NPY002 - as Stable-Baselines3 draws it
        observed, acting = self.drawn.draw(len(envs))
        dones = self.dones[batch_inds, envs] * (1.0 - self.timeouts[batch_inds, envs])
        steps = batch_inds * self.n_envs + envs
        arrays = (
            _taken(self.observations, steps, observed),
            _taken(self.actions, steps, acting),
            _taken(self.next_observations, steps, observed),
            self._ends(dones, self.drawn.n_actions),
            _taken(self.rewards, steps, acting).reshape(-1, 1),
        )
        return ReplayBufferSamples(*map(self.to_torch, arrays))

    def _ends(self, dones: NDArray[np.float32], n_actions: int) -> NDArray[np.float32]:
        """Return `dones` per step and action, shape (n_steps x n_actions, 1); the battery's carry its discount."""
        ends = np.repeat(dones[:, None], n_actions, axis=1)
        if self.drawn.with_bess:
            ends[:, -1] = 1.0 - (1.0 - dones) * self._bess_discount
        return ends.reshape(-1, 1)


def _taken(array: NDArray[np.float32], steps: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return some columns of each of some steps; the array's last axis has the columns, those before it the steps."""
    return array.reshape(-1).take(steps[:, None] * array.shape[-1] + columns)
