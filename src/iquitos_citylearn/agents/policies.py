"""Stable-Baselines3 policies over the shared networks: `PerChargerPolicy` (PPO, A2C) and `PerChargerSACPolicy`."""

import contextlib
from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.distributions import (
    DiagGaussianDistribution,
    Distribution,
    SquashedDiagGaussianDistribution,
)
from stable_baselines3.common.policies import ActorCriticPolicy, BaseModel, BasePolicy
from stable_baselines3.common.type_aliases import PyTorchObs, Schedule
from stable_baselines3.sac.policies import SACPolicy
from torch import nn

from iquitos_citylearn.agents.networks import (
    N_ROW_FEATURES,
    ChargerRows,
    Rows,
    SharedActor,
    SharedQ,
    SharedValue,
)
from iquitos_citylearn.agents.optimizers import UNCOMPILED

LOG_STD_MIN, LOG_STD_MAX = -5.0, 0.0
ACTION_NEEDED_ALONE = 1
"""Number of row features that the skip of `PerChargerPolicy` takes. One that takes the time left as well soon puts
charging off: waiting costs next to nothing while the hours to come can make up for it."""


def _rows(
    observation_space: spaces.Space[Any],
    action_space: spaces.Space[Any],
    horizons: dict[str, float],
    *,
    squashed: bool,
    with_bess: bool,
) -> ChargerRows:
    if not isinstance(observation_space, spaces.Box) or not isinstance(action_space, spaces.Box):
        raise TypeError(f"boxes are needed, not {observation_space} and {action_space}")
    n_chargers = action_space.shape[0] - with_bess
    return ChargerRows(observation_space.shape[0], n_chargers, **horizons, squashed=squashed, with_bess=with_bess)


def _log_std(start: float, gain: float, change: torch.Tensor) -> torch.Tensor:
    """Return the log standard deviation after a trained change.

    Adam moves every parameter by about the learning rate at a time; this one moves `gain` times as far.
    """
    return torch.clamp(start + gain * change, LOG_STD_MIN, LOG_STD_MAX)


class _ActorAndValue(nn.Module):
    """The three methods of Stable-Baselines3's MlpExtractor; means and values have shape (batch, n_actions)."""

    def __init__(self, rows: ChargerRows, actor: SharedActor, value: SharedValue) -> None:
        super().__init__()
        self.rows, self.actor, self.value = rows, actor, value

    def forward(self, observation: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        rows: Rows = self.rows(observation)
        return self.actor(rows), self.value(rows)

    def forward_actor(self, observation: torch.Tensor) -> torch.Tensor:
        means: torch.Tensor = self.actor(self.rows(observation))
        return means

    def forward_critic(self, observation: torch.Tensor) -> torch.Tensor:
        values: torch.Tensor = self.value(self.rows(observation))
        return values


class _PerCharger:
    """What the policies do otherwise than Stable-Baselines3's, and faster."""

    training: bool
    rows: ChargerRows

    def set_training_mode(self, mode: bool) -> None:  # noqa: FBT001 - Stable-Baselines3's signature
        """Note the mode; no layer here acts differently in training, so none is told at every prediction."""
        self.training = mode

    def predict(
        self,
        observation: NDArray[np.float32] | dict[str, NDArray[np.float32]],
        state: tuple[NDArray[np.float32], ...] | None = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = False,  # noqa: FBT001, FBT002 - Stable-Baselines3's signature
    ) -> tuple[NDArray[np.float32], tuple[NDArray[np.float32], ...] | None]:
        """Return actions; zeros, without asking the network, while no car is anywhere and no battery is dispatched."""
        if isinstance(observation, np.ndarray) and not self.rows.acts(observation):
            return np.zeros((*observation.shape[:-1], self.rows.n_chargers), dtype=np.float32), state
        actions, state = super().predict(observation, state, episode_start, deterministic)  # type: ignore[misc]
        return actions, state


class _GaussianPerCharger(DiagGaussianDistribution):
    """Gaussian whose log probability is never summed over the chargers, as TRPO would have it."""

    def log_prob(self, actions: torch.Tensor) -> torch.Tensor:  # noqa: ARG002 - Stable-Baselines3's signature
        raise ValueError(
            "policy is 'per_charger', but this algorithm scores the actions of all chargers together; "
            "`policy: plain` works"
        )


class PerChargerPolicy(_PerCharger, ActorCriticPolicy):
    """Actor and critic shared over chargers, for PPO and A2C with `per_charger.PerChargerRolloutBuffer`.

    Values and log probabilities are given per charger, so that Stable-Baselines3's losses, which work entry by entry,
    weigh each charger's action with its own advantage.

    Parameters
    ----------
    energy_hours, departure_hours : float
        Scales of the charger entries of the observation [h].
    with_bess : bool
        Whether the last entry of the action is the stationary battery's, which has networks of its own.
    width : int
        Hidden width of every network.
    gain, bound : float
        Weight of the actor's linear skip, and the bound of the mean. Nothing squashes the actions, which are clipped to
        [-1, 1]: under a bound well above 1 the mean is linear in what the skip takes.
    output_gain : float
        How far a learning rate moves the actor, skip and network alike.
    std_gain : float
        How many times as far as other parameters the log standard deviation moves from `log_std_init`; 0: not at all.
    bess_log_std : float or None
        Log standard deviation of the battery's entry, which stays as it is; None: that of the chargers.
    imitates : bool
        As for `networks.SharedActor`.
    """

    def __init__(
        self,
        *args: Any,
        energy_hours: float,
        departure_hours: float,
        with_bess: bool = False,
        width: int = 32,
        gain: float = 50.0,
        bound: float = 50.0,
        output_gain: float = 1.0,
        std_gain: float = 1.0,
        bess_log_std: float | None = None,
        imitates: bool = False,
        **kwargs: Any,
    ) -> None:
        self.horizons = {"energy_hours": energy_hours, "departure_hours": departure_hours}
        self.with_bess = with_bess
        self.width, self.gain, self.bound = width, gain, bound
        self.output_gain, self.std_gain = output_gain, std_gain
        self.bess_log_std, self.imitates = bess_log_std, imitates
        super().__init__(*args, **kwargs)

    @property
    def log_std(self) -> torch.Tensor:  # type: ignore[override]  # Stable-Baselines3 has a parameter
        """Log standard deviation of all actions, shape ()."""
        return _log_std(self.log_std_init, self.std_gain, self.log_std_change)

    def _build(self, lr_schedule: Schedule) -> None:
        rows = _rows(self.observation_space, self.action_space, self.horizons, squashed=False, with_bess=self.with_bess)
        self.mlp_extractor = _ActorAndValue(  # type: ignore[assignment]  # it has MlpExtractor's three methods
            rows,
            SharedActor(
                rows,
                self.width,
                ACTION_NEEDED_ALONE,
                self.gain,
                self.bound,
                self.output_gain,
                imitates=self.imitates,
            ),
            SharedValue(rows, self.width),
        )
        self.action_net = nn.Identity()
        self.value_net = nn.Identity()  # type: ignore[assignment]
        self.log_std_change = nn.Parameter(torch.zeros(()))
        self.rows = rows
        self.action_dist = _GaussianPerCharger(rows.n_chargers + rows.with_bess)
        self.optimizer_class = UNCOMPILED.get(self.optimizer_class, self.optimizer_class)
        self.optimizer = self.optimizer_class(self.parameters(), lr=lr_schedule(1), **self.optimizer_kwargs)  # type: ignore[call-arg]  # every torch optimiser takes lr

    def forward(
        self,
        obs: torch.Tensor,
        deterministic: bool = False,  # noqa: FBT001, FBT002 - Stable-Baselines3's signature
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return actions, values and log probabilities, each of shape (batch, n_chargers)."""
        means, values = self.mlp_extractor(obs)
        distribution = self._get_action_dist_from_latent(means)
        actions = distribution.get_actions(deterministic=deterministic)
        return actions, values, self._log_prob(distribution, obs, actions)

    def evaluate_actions(
        self, obs: PyTorchObs, actions: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        """Return values (batch, n_chargers), log probabilities (batch x n_chargers,) and entropies (batch,)."""
        means, values = self.mlp_extractor(obs)
        distribution = self._get_action_dist_from_latent(means)
        return values, self._log_prob(distribution, obs, actions).flatten(), distribution.entropy()

    def _get_action_dist_from_latent(self, latent_pi: torch.Tensor) -> Distribution:
        log_std = self.log_std
        if self.with_bess and self.bess_log_std is not None:
            own = torch.full_like(log_std, self.bess_log_std)
            log_std = torch.stack([*[log_std] * (latent_pi.shape[1] - 1), own])
        return self.action_dist.proba_distribution(latent_pi, log_std)

    def shared_actor(self) -> SharedActor:
        """Return the network of the means."""
        return cast(SharedActor, self.mlp_extractor.actor)

    def _log_prob(self, distribution: Distribution, obs: PyTorchObs, actions: torch.Tensor) -> torch.Tensor:
        if not isinstance(distribution, DiagGaussianDistribution) or not isinstance(obs, torch.Tensor):
            raise TypeError(f"a Gaussian over tensors is needed, not {distribution} over {type(obs).__name__}")
        log_prob: torch.Tensor = distribution.distribution.log_prob(actions)  # type: ignore[no-untyped-call]
        return log_prob * self.rows.connected(obs)


class PerChargerSACActor(BasePolicy):
    """Squashed Gaussian actor: shared mean, one trained standard deviation."""

    def __init__(
        self,
        rows: ChargerRows,
        width: int,
        gain: float,
        bound: float,
        log_std_init: float,
        std_gain: float,
        *,
        imitates: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(squash_output=True, **kwargs)
        self.rows = rows
        self.mean = SharedActor(rows, width, N_ROW_FEATURES, gain, bound, imitates=imitates)
        self.log_std_init, self.std_gain = log_std_init, std_gain
        self.log_std_change = nn.Parameter(torch.zeros(()))
        self.action_dist = SquashedDiagGaussianDistribution(rows.n_chargers + rows.with_bess)

    def get_action_dist_params(
        self, observation: PyTorchObs
    ) -> tuple[torch.Tensor, torch.Tensor, dict[str, torch.Tensor]]:
        """Return means and log standard deviations before squashing, shape (batch, n_chargers)."""
        mean = self.mean(self.rows(observation))
        return mean, _log_std(self.log_std_init, self.std_gain, self.log_std_change).expand_as(mean), {}

    def forward(self, observation: PyTorchObs, deterministic: bool = False) -> torch.Tensor:  # noqa: FBT001, FBT002 - Stable-Baselines3's signature
        """Return actions in [-1, 1]."""
        mean, log_std, _ = self.get_action_dist_params(observation)
        actions: torch.Tensor = self.action_dist.actions_from_params(mean, log_std, deterministic=deterministic)
        return actions

    def action_log_prob(self, observation: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return sampled actions (batch, n_chargers) and their log probabilities (batch x n_chargers,)."""
        mean, log_std, _ = self.get_action_dist_params(observation)
        actions: torch.Tensor = self.action_dist.actions_from_params(mean, log_std)
        before_tanh = self.action_dist.gaussian_actions
        log_prob = self.action_dist.distribution.log_prob(before_tanh)  # type: ignore[no-untyped-call]
        log_prob = log_prob - torch.log(1.0 - actions**2 + self.action_dist.epsilon)
        return actions, (log_prob * self.rows.connected(observation)).flatten()

    def _predict(self, observation: PyTorchObs, deterministic: bool = False) -> torch.Tensor:  # noqa: FBT001, FBT002 - as above
        actions: torch.Tensor = self(observation, deterministic)
        return actions


class PerChargerSACCritic(BaseModel):
    """Independent action values for clipped double-Q learning."""

    def __init__(self, rows: ChargerRows, width: int, mapping: str, gain: float, n_critics: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rows, self.mapping = rows, mapping
        self.q_networks = nn.ModuleList(SharedQ(rows, width, gain) for _ in range(n_critics))

    def forward(self, observation: torch.Tensor, actions: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the values of each critic, shape (batch x n_chargers, 1).

        Values of actions to be improved have no gradient in the critics' weights: SAC would throw it away.
        """
        rows: Rows = self.rows(observation)
        inputs = self.rows.with_action(rows, actions, self.mapping)
        with _frozen(self.q_networks) if actions.requires_grad else contextlib.nullcontext():
            return tuple(network(rows, inputs, actions).reshape(-1, 1) for network in self.q_networks)


@contextlib.contextmanager
def _frozen(module: nn.Module) -> Iterator[None]:
    """Record no gradient in a module's weights."""
    module.requires_grad_(False)  # noqa: FBT003 - torch's signature
    try:
        yield
    finally:
        module.requires_grad_(True)  # noqa: FBT003 - as above


class PerChargerSACPolicy(_PerCharger, SACPolicy):
    """Actor and critics shared over chargers, for SAC.

    Parameters
    ----------
    energy_hours, departure_hours : float
        Scales of the charger entries of the observation [h].
    action_mapping : str
        Name in `env.action.MAPPINGS`; the critic applies it.
    with_bess : bool
        Whether the last entry of the action is the stationary battery's, which has networks of its own.
    width : int
        Hidden width of every network.
    gain, bound : float
        Weight of the actor's linear skip, and the bound of the mean before squashing.
    critic_gain : float
        Gain of the critics' output: how far a small learning rate moves them.
    log_std_init, std_gain : float
        Log standard deviation at the start, and how many times as far as other parameters it moves from there.
    imitates : bool
        As for `networks.SharedActor`.
    """

    def __init__(
        self,
        *args: Any,
        energy_hours: float,
        departure_hours: float,
        action_mapping: str,
        with_bess: bool = False,
        width: int = 32,
        gain: float = 6.0,
        bound: float = 2.5,
        critic_gain: float = 1.0,
        log_std_init: float = -1.0,
        std_gain: float = 1.0,
        imitates: bool = False,
        **kwargs: Any,
    ) -> None:
        self.imitates = imitates
        self.horizons = {"energy_hours": energy_hours, "departure_hours": departure_hours}
        self.with_bess = with_bess
        self.action_mapping, self.critic_gain = action_mapping, critic_gain
        self.width, self.gain, self.bound = width, gain, bound
        self.log_std_init, self.std_gain = log_std_init, std_gain
        super().__init__(*args, **kwargs)

    def _build(self, lr_schedule: Schedule) -> None:
        self.rows = _rows(
            self.observation_space, self.action_space, self.horizons, squashed=True, with_bess=self.with_bess
        )
        self.optimizer_class = UNCOMPILED.get(self.optimizer_class, self.optimizer_class)
        super()._build(lr_schedule)

    def shared_actor(self) -> SharedActor:
        """Return the network of the means."""
        return cast(SharedActor, self.actor.mean)

    def make_actor(self, features_extractor: nn.Module | None = None) -> PerChargerSACActor:  # type: ignore[override]
        """Return the actor; there is no separate feature extractor."""
        del features_extractor
        actor = PerChargerSACActor(
            self.rows,
            self.width,
            self.gain,
            self.bound,
            self.log_std_init,
            self.std_gain,
            imitates=self.imitates,
            observation_space=self.observation_space,
            action_space=self.action_space,
        )
        return actor.to(self.device)

    def make_critic(self, features_extractor: nn.Module | None = None) -> PerChargerSACCritic:  # type: ignore[override]
        """Return the critics."""
        del features_extractor
        critic = PerChargerSACCritic(
            self.rows,
            self.width,
            self.action_mapping,
            self.critic_gain,
            int(str(self.critic_kwargs["n_critics"])),
            observation_space=self.observation_space,
            action_space=self.action_space,
        )
        return critic.to(self.device)
