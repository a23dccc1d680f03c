"""Rule-based policies: Stable-Baselines3's `predict`, no model, and the action mapping that each is written for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

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


@dataclass(frozen=True)
class ConstantPolicy:
    """The same action for every charger in every hour.

    Attributes
    ----------
    action : float
        The action, in [-1, 1].
    n_chargers : int
        Number of chargers.
    """

    action: float
    n_chargers: int

    def predict(
        self,
        observation: NDArray[np.float32],
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = True,  # noqa: FBT001, FBT002 - Stable-Baselines3's signature
    ) -> tuple[NDArray[np.float32], None]:
        """Return the action for each charger, shape (batch, n_chargers), and no state."""
        del state, episode_start, deterministic
        return np.full((len(observation), self.n_chargers), self.action, dtype=np.float32), None


@dataclass(frozen=True)
class Rule:
    """A constant action and what it means.

    Attributes
    ----------
    action_mapping : str
        Name in `env.action.MAPPINGS`.
    action : float
        The action, in [-1, 1].
    """

    action_mapping: str
    action: float


RULES: Mapping[str, Rule] = {
    "uncontrolled": Rule("raw", 1.0),
    "required": Rule("need_limited", 1.0),
}
"""uncontrolled: at once, at full power, until full. required: at once, up to the required SOC."""
