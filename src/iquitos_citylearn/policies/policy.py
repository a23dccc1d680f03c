"""The protocol of a policy, which Stable-Baselines3's models share, and the base class of rules."""

from abc import ABC, abstractmethod
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from iquitos_citylearn.site.model import FloatArray


class Policy(Protocol):
    """Anything that decides: a Stable-Baselines3 model or a rule."""

    def predict(
        self,
        observation: NDArray[np.float32],
        state: tuple[NDArray[np.float32], ...] | None = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = False,  # noqa: FBT001, FBT002 - Stable-Baselines3's signature
    ) -> tuple[NDArray[np.float32] | FloatArray, tuple[NDArray[np.float32], ...] | None]:
        """Return the actions for a batch of observations, and a state (None)."""


class Rule(ABC):
    """A policy without a model, which keeps nothing from hour to hour: Stable-Baselines3's `predict` over `decide`."""

    @abstractmethod
    def decide(self, observation: NDArray[np.float32]) -> FloatArray:
        """Return the actions in [-1, 1] for a batch of observations, shape (batch, n_actions)."""

    def predict(
        self,
        observation: NDArray[np.float32],
        state: tuple[NDArray[np.float32], ...] | None = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = True,  # noqa: FBT001, FBT002 - Stable-Baselines3's signature
    ) -> tuple[FloatArray, None]:
        """Return what `decide` says, and no state."""
        del state, episode_start, deterministic
        return self.decide(observation), None
