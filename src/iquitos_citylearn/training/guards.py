"""What a training must not do unnoticed: go on with numbers that are not finite, or stand still."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback

STEP_QUANTITIES = {"actions": "an action", "rewards": "a reward", "new_obs": "an observation"}
"""Local variables of Stable-Baselines3's rollouts, and what they are."""
EXPLAINED_VARIANCE = "train/explained_variance"
"""A diagnostic that is NaN by its definition where returns do not vary: in a rollout without a car."""


class GuardCallback(BaseCallback):
    """Stop at the first number that is not finite, and give a sign of life at every step.

    Parameters
    ----------
    beat : callable
        Called at every step and before every rollout.
    """

    def __init__(self, beat: Callable[[], None]) -> None:
        super().__init__()
        self.beat = beat

    def _on_rollout_start(self) -> None:
        self.beat()
        check_learned(self.model)

    def _on_step(self) -> bool:
        self.beat()
        for name, quantity in STEP_QUANTITIES.items():
            if not np.isfinite(self.locals[name]).all():
                raise _not_finite(self.model, quantity)
        return True


def check_learned(model: BaseAlgorithm) -> None:
    """Check the losses, gradients and parameters that the last update has left.

    Raises
    ------
    FloatingPointError
        With the step and the name of what is not finite.
    """
    for name, value in model.logger.name_to_value.items():
        if name.startswith("train/") and name != EXPLAINED_VARIANCE and not np.isfinite(value):
            raise _not_finite(model, name.removeprefix("train/"))
    parameters = dict(model.policy.named_parameters())
    gradients = {name: item.grad for name, item in parameters.items() if item.grad is not None}
    for kind, tensors in (("the gradient of", gradients), ("the parameter", parameters)):
        if not _all_finite(tensors.values()):
            name = next(name for name, tensor in tensors.items() if not _all_finite([tensor]))
            raise _not_finite(model, f"{kind} {name}")


def _all_finite(tensors: Iterable[Any]) -> bool:
    with torch.no_grad():
        return bool(torch.isfinite(torch.nn.utils.get_total_norm(tensors)))


def _not_finite(model: BaseAlgorithm, quantity: str) -> FloatingPointError:
    return FloatingPointError(
        f"step {model.num_timesteps}: {quantity} is not finite; the training is stopped, its last checkpoint stays"
    )
