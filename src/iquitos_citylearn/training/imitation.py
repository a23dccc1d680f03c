"""A training's start: the battery's part of the actor imitates the policy `rollout` (behavioural cloning).

The teacher runs over the training years. For each of its decisions the actor sees the same observation, and Adam moves
its mean towards the entry that gives the teacher's import target. Then the algorithm learns from rewards as ever. Cars
are not imitated: their part learns from nothing.
"""

from statistics import fmean
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.base_class import BaseAlgorithm
from torch import nn

from iquitos_citylearn.agents.networks import SmoothNet
from iquitos_citylearn.agents.policies import PerChargerPolicy, PerChargerSACPolicy
from iquitos_citylearn.env.action import offset_entry
from iquitos_citylearn.env.observation import site_features
from iquitos_citylearn.env.setting import Setting
from iquitos_citylearn.params import ImitationParams, Params
from iquitos_citylearn.policies.policy_improvement import RolloutPolicy
from iquitos_citylearn.policies.rollout import roll_out_years
from iquitos_citylearn.policies.rules import ConstantPolicy
from iquitos_citylearn.site.model import FloatArray

TEACHERS_MAPPING = "need_limited"
"""Meaning of the teacher's actions on chargers."""
BATCH_SIZE = 256
LEAST_STD = 1e-4
"""Entries that vary less are left as they are."""


class Demonstrations(RolloutPolicy):
    """The policy `rollout`, which keeps what it saw and decided."""

    def __init__(self, setting: Setting, params: Params) -> None:
        cars = ConstantPolicy(1.0, setting.years.session_of.shape[2])
        super().__init__(cars, setting, params.control.rollout)
        self.n_site_features = len(site_features(setting.tables, setting.equipment))
        self.observations: list[NDArray[np.float32]] = []
        self.targets: list[FloatArray] = []

    def target_kw(self, observation: NDArray[np.float32]) -> FloatArray:
        """Return the import targets [kW], shape (batch,), and keep them."""
        target = super().target_kw(observation)
        self.observations.append(observation[:, : self.n_site_features].copy())
        self.targets.append(target)
        return target


def imitate(model: BaseAlgorithm, setting: Setting, params: Params, chosen: ImitationParams) -> float:
    """Let the battery's part of a model's actor imitate `rollout`; return the mean squared error that is left.

    Parameters
    ----------
    model : BaseAlgorithm
        An untrained model over `setting`; changed in place.
    setting : Setting
        The training years, under the mapping `need_limited` of the teacher's cars.
    params : Params
        The whole params file.
    chosen : ImitationParams
        Epochs and learning rate.

    Raises
    ------
    ValueError
        If the model was not made to imitate.
    """
    policy: PerChargerPolicy | PerChargerSACPolicy = model.policy  # type: ignore[assignment]  # those imitate
    imitated = policy.shared_actor().imitated
    if imitated is None:
        raise ValueError("the actor has no part that imitates")
    site, entry = demonstrate(setting, params)
    squashed = bool(model.policy.squash_output)
    members = [cast(SmoothNet, member) for member in imitated.members]
    losses = [_fit(member, site, entry, chosen, squashed=squashed) for member in members]
    imitated.requires_grad_(False)  # noqa: FBT003 - torch's signature
    return fmean(losses)


def _fit(net: SmoothNet, site: torch.Tensor, entry: torch.Tensor, chosen: ImitationParams, *, squashed: bool) -> float:
    """Fit a network to the teacher's entries; return the mean squared error of the last batch."""
    net.requires_grad_(True)  # noqa: FBT003 - torch's signature
    _standardise_inputs(net.first, site)
    optimizer = torch.optim.Adam(net.parameters(), lr=chosen.learning_rate)
    loss = torch.zeros(())
    for epoch in range(chosen.epochs):
        for group in optimizer.param_groups:
            group["lr"] = chosen.learning_rate * (1.0 - epoch / chosen.epochs)
        order = torch.randperm(len(site))
        for first in range(0, len(site), BATCH_SIZE):
            rows = order[first : first + BATCH_SIZE]
            given = net(site[rows])
            error = (torch.tanh(given) if squashed else given) - entry[rows]
            loss = (error * error).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return loss.item()


def demonstrate(setting: Setting, params: Params) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the site's part of the observations that the teacher meets, and its entries, where it has a choice."""
    teacher = Demonstrations(setting, params)
    roll_out_years(teacher, setting)
    site, target = np.concatenate(teacher.observations), np.concatenate(teacher.targets)
    short = teacher.reader.entry(site, "shortage_careful") > 0.0
    level = teacher.reader.entry(site, "level_target") * setting.lookahead.scale_kw
    entry = offset_entry(target, level, setting.lookahead.scale_kw)
    kept = short | (target > 0.0)
    return torch.as_tensor(site[kept]), torch.as_tensor(entry[kept], dtype=torch.float32)


def _standardise_inputs(first: nn.Linear, site: torch.Tensor) -> None:
    """Change the first layer so that it sees standardised inputs: many entries vary by some hundredths alone."""
    with torch.no_grad():
        mean, std = site.mean(0), site.std(0)
        first.weight.div_(torch.where(std > LEAST_STD, std, torch.ones_like(std)))
        first.bias.sub_(first.weight @ mean)
