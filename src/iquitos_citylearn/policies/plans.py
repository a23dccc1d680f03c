"""Plans of years as policies with Stable-Baselines3's `predict`."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iquitos_citylearn.policies.policy import Policy
from iquitos_citylearn.site.model import FloatArray


class PlanPolicy:
    """Gives the chargers what a plan says, hour by hour, under the mapping `raw`.

    The observation does not hold the step, so the policy counts: each `predict` is the next hour of the plan, and
    after its last hour comes its first again, so that every rollout of the whole year starts at the start. Whoever
    leaves a rollout early tells the next one by `episode_start`, as for Stable-Baselines3's recurrent policies.

    Parameters
    ----------
    charger_kwh : ndarray, shape (n_steps, n_chargers)
        Energy of each charger in each hour, site side [kWh].
    rating_kw : ndarray, shape (n_chargers,)
        Rating of each charger [kW].
    bess_entry : ndarray, shape (n_steps,), or None
        The battery's entry of the action; None leaves it to the rule (`env/action.py`).

    Attributes
    ----------
    charger_kwh : ndarray, shape (n_steps, n_chargers)
        The plan [kWh].
    """

    def __init__(self, charger_kwh: FloatArray, rating_kw: FloatArray, bess_entry: FloatArray | None = None) -> None:
        self.charger_kwh = charger_kwh
        self._action = 2.0 * (charger_kwh / rating_kw) - 1.0
        if bess_entry is not None:
            self._action = np.column_stack([self._action, bess_entry])
        self._step = 0

    def predict(
        self,
        observation: NDArray[np.float32],
        state: Any = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = True,  # noqa: FBT001, FBT002 - Stable-Baselines3's signature
    ) -> tuple[FloatArray, None]:
        """Return the next hour's action in [-1, 1], float64, the same for each row of the batch; and no state."""
        del state, deterministic
        if episode_start is not None and episode_start.any():
            self._step = 0
        action = self._action[self._step]
        self._step = (self._step + 1) % len(self._action)
        return np.tile(action, (len(observation), 1)), None


class PolicyPerYear:
    """A policy of its own for each year of a batch, in the order of the years.

    Parameters
    ----------
    policies : sequence of Policy
        One for each row of the batch.
    """

    def __init__(self, policies: Sequence[Policy]) -> None:
        self._policies = tuple(policies)

    def predict(
        self,
        observation: NDArray[np.float32],
        state: Any = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = True,  # noqa: FBT001, FBT002 - Stable-Baselines3's signature
    ) -> tuple[FloatArray, None]:
        """Return each policy's action for its row, shape (batch, n_actions), float64; and no state."""
        del state
        actions = []
        for row, policy in enumerate(self._policies):
            start = None if episode_start is None else episode_start[row : row + 1]
            action, _ = policy.predict(observation[row : row + 1], episode_start=start, deterministic=deterministic)
            actions.append(action.astype(np.float64))
        return np.concatenate(actions), None
