"""One small network shared by all chargers, as actor and as critic.

The observation is a site part and one block per charger (`env/observation.py`); a car's best action depends on its
own block and the site part, not on which charger it stands at. Sharing the weights over chargers says so, and makes
every step give as many samples as there are cars. Rows of empty chargers are skipped.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from iquitos_citylearn.agents.shared_net import ROWS_AT_A_TIME, SharedNet
from iquitos_citylearn.env.action import DEAD_ZONE, NEED_LEFT, NEED_REACHED
from iquitos_citylearn.env.features import (
    CONNECTED,
    ENERGY_NEEDED,
    ENERGY_TO_FULL,
    N_CHARGER_FEATURES,
    TIME_TO_DEPARTURE,
)

ROW_FEATURES = (
    "energy_needed",
    "energy_to_full",
    "time_left",
    "per_hour_left",
    "rate_needed",
    "share_needed",
    "action_needed",
)
"""Inputs from a connected charger; see `Rows.features`."""
N_ROW_FEATURES = len(ROW_FEATURES)
ROW_ENERGY_NEEDED, ROW_ENERGY_TO_FULL = ROW_FEATURES.index("energy_needed"), ROW_FEATURES.index("energy_to_full")
ROW_PER_HOUR_LEFT, ROW_SHARE_NEEDED = ROW_FEATURES.index("per_hour_left"), ROW_FEATURES.index("share_needed")
N_ACTION_FEATURES = 4
ACTION_RANGE = 1.0 - 2.0 * DEAD_ZONE
"""Actions from minus to plus this charge a share of the rating from 0 to 1: the range between dead zones."""


class Rows(NamedTuple):
    """Connected chargers of a batch, one row each, and rows that fill up a multiple of `ROWS_AT_A_TIME`.

    Attributes
    ----------
    connected : Tensor, shape (batch, n_chargers)
        1 where a car is connected, else 0.
    features : Tensor, shape (n_rows, N_ROW_FEATURES)
        Energy needed, energy to full, time left, 1 / hours left, rate needed, needed share f, `action_needed` of it.
    inputs : Tensor, shape (n_rows, n_site_features + N_ROW_FEATURES)
        The site part of the row's observation, then the features.
    site : Tensor, shape (batch, n_site_features)
        Site part of each observation.
    batch, charger : Tensor of int64, shape (n_rows,)
        Place of each row in the batch.
    n_connected : int
        Number of connected chargers; the rows after them copy a charger of the batch, and nobody reads them.
    """

    connected: torch.Tensor
    features: torch.Tensor
    inputs: torch.Tensor
    site: torch.Tensor
    batch: torch.Tensor
    charger: torch.Tensor
    n_connected: int

    def spread(self, values: torch.Tensor) -> torch.Tensor:
        """Return one value per row as (batch, n_chargers); 0 at empty chargers."""
        n = self.n_connected
        return torch.zeros_like(self.connected).index_put((self.batch[:n], self.charger[:n]), values[:n])


class ChargerRows(nn.Module):
    """Turn observations into rows of connected chargers.

    Parameters
    ----------
    n_observations, n_chargers : int
        Size of the observation, and number of chargers.
    energy_hours, departure_hours : float
        Scales of the charger entries (`environment.*_horizon_hours`) [h].
    squashed : bool
        Whether the actor's means go through tanh before they act.
    with_bess : bool
        Whether the action has a last entry for the stationary battery.
    """

    def __init__(
        self,
        n_observations: int,
        n_chargers: int,
        energy_hours: float,
        departure_hours: float,
        *,
        squashed: bool,
        with_bess: bool = False,
    ) -> None:
        super().__init__()
        self.n_chargers = n_chargers
        self.squashed = squashed
        self.with_bess = with_bess
        self.n_site_features = n_observations - N_CHARGER_FEATURES * n_chargers
        self.energy_hours = energy_hours
        self.departure_hours = departure_hours
        self._latest: list[tuple[torch.Tensor, Rows]] = []

    def forward(self, observation: torch.Tensor) -> Rows:
        """Return the rows of a batch of observations, shape (batch, n_observations).

        Those of the last two tensors are kept: an update of SAC asks five times for the same two.
        """
        for known, rows in self._latest:
            if known is observation:
                return rows
        rows = self._rows(observation)
        self._latest = [(observation, rows), *self._latest[:1]]
        return rows

    def _rows(self, observation: torch.Tensor) -> Rows:
        site = observation[:, : self.n_site_features]
        blocks = observation[:, self.n_site_features :].reshape(len(observation), -1, N_CHARGER_FEATURES)
        connected = blocks[:, :, CONNECTED]
        places = torch.nonzero(connected > 0)
        n_connected = len(places)
        batch, charger = nn.functional.pad(places, (0, 0, 0, ROWS_AT_A_TIME - n_connected % ROWS_AT_A_TIME)).unbind(1)
        row = blocks[batch, charger]
        needed, to_full, time_left = row[:, ENERGY_NEEDED], row[:, ENERGY_TO_FULL], row[:, TIME_TO_DEPARTURE]
        needed_hours = needed * self.energy_hours
        per_hour = 1.0 / torch.clamp(time_left * self.departure_hours, min=1.0)
        share = torch.clamp(needed_hours, max=1.0)
        action = action_needed(share, squashed=self.squashed)
        stacked = torch.stack([needed, to_full, time_left, per_hour, needed_hours * per_hour, share, action], dim=1)
        return Rows(connected, stacked, torch.cat([site[batch], stacked], dim=1), site, batch, charger, n_connected)

    def connected(self, observation: torch.Tensor) -> torch.Tensor:
        """Return 1 where a car is connected, else 0; 1 for the battery; shape (batch, n_actions)."""
        connected = observation[:, self.n_site_features :: N_CHARGER_FEATURES]
        return nn.functional.pad(connected, (0, 1), value=1.0) if self.with_bess else connected

    def acts(self, observation: NDArray[np.float32]) -> bool:
        """Return whether an action has an effect: on a car, or on the battery; shape (..., n_observations)."""
        return self.with_bess or bool(observation[..., self.n_site_features :: N_CHARGER_FEATURES].any())

    def with_action(self, rows: Rows, action: torch.Tensor, mapping: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the rows' inputs with N_ACTION_FEATURES more, and these alone, which follow the action's gradient.

        They are each row's action and what it leaves [h at full power]: the shortfall, the part of it that full power
        until departure cannot make up, and the overshoot.
        """
        row_action = action[rows.batch, rows.charger]
        delivered = self.delivered_hours(rows, row_action, mapping)
        surplus = delivered - rows.features[:, ROW_ENERGY_NEEDED] * self.energy_hours
        hours_after = 1.0 / rows.features[:, ROW_PER_HOUR_LEFT] - 1.0
        shortfall = torch.clamp(-surplus, min=0.0)
        unavoidable = torch.clamp(-surplus - hours_after, min=0.0)
        law = torch.stack([row_action, shortfall, unavoidable, torch.clamp(surplus, min=0.0)], dim=1)
        return torch.cat([rows.inputs, law.detach()], dim=1), law

    def delivered_hours(self, rows: Rows, action: torch.Tensor, mapping: str) -> torch.Tensor:
        """Return the hours at full power that each row's action charges (the charging law of the car)."""
        share = mapped_share(mapping, 0.5 * (action + 1.0), rows.features[:, ROW_SHARE_NEEDED])
        return torch.minimum(share, rows.features[:, ROW_ENERGY_TO_FULL] * self.energy_hours)


def action_needed(share: torch.Tensor, *, squashed: bool) -> torch.Tensor:
    """Return the mean that charges the needed share f under `dead_zones`: 0.9 (2 f - 1), or before tanh its atanh."""
    action = ACTION_RANGE * (2.0 * share - 1.0)
    return torch.atanh(action) if squashed else action


def mapped_share(mapping: str, u: torch.Tensor, needed: torch.Tensor) -> torch.Tensor:
    """Return the charger action of `env/action.py` on tensors."""
    if mapping == "need_limited":
        return u * needed
    if mapping == "three_segment":
        below = needed * torch.clamp(u / NEED_REACHED, max=1.0)
        return below + (1.0 - needed) * torch.clamp((u - NEED_LEFT) / (1.0 - NEED_LEFT), min=0.0)
    if mapping == "dead_zones":
        return torch.clamp((u - DEAD_ZONE) / (1.0 - 2.0 * DEAD_ZONE), 0.0, 1.0)
    return u


def with_last(per_charger: torch.Tensor, of_bess: torch.Tensor) -> torch.Tensor:
    """Return (batch, n_chargers) with the battery's entries, shape (batch,), as a last column."""
    return torch.cat([per_charger, of_bess[:, None]], dim=1)


class ImitatedNet(nn.Module):
    """Mean of small networks, each fitted for itself by a training's imitation (`training/imitation.py`).

    They are fixed after it. Smooth units follow a teacher better here than ReLU does, and several networks better than
    one (docs/control.md).

    Parameters
    ----------
    n_inputs, width : int
        Number of inputs and width of the two hidden layers.
    n_members : int
        Number of networks.
    """

    def __init__(self, n_inputs: int, width: int, n_members: int = 3) -> None:
        super().__init__()
        self.members = nn.ModuleList(SmoothNet(n_inputs, width) for _ in range(n_members))
        self.requires_grad_(False)  # noqa: FBT003 - torch's signature

    def forward(self, site: torch.Tensor) -> torch.Tensor:
        """Return the outputs of site parts of observations, shape (batch,)."""
        return torch.stack([member(site) for member in self.members]).mean(0)


class SmoothNet(nn.Module):
    """Network of two hidden layers of tanh with one output, which is 0 at first."""

    def __init__(self, n_inputs: int, width: int) -> None:
        super().__init__()
        self.first, self.second, self.output = nn.Linear(n_inputs, width), nn.Linear(width, width), nn.Linear(width, 1)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the outputs of rows, shape (n_rows,)."""
        outputs: torch.Tensor = self.output(self.second(self.first(rows).tanh()).tanh()).squeeze(1)
        return outputs


class SharedActor(nn.Module):
    """Mean of every charger's action, before any tanh, and of the battery's where it is dispatched.

    Parameters
    ----------
    rows : ChargerRows
        How observations become rows.
    width : int
        Hidden width.
    n_skip : int
        Number of row features, the last ones, that a linear skip takes; its weights start at 0.
    gain : float
        Weighs the skip against the network: how fast it learns.
    bound : float
        The mean is bound x s / (1 + |s|), s = output_gain x (network + gain x skip) / bound: unlike with tanh, a
        saturated mean comes back.
    output_gain : float
        How far the learning rate moves network and skip of the cars.
    imitates : bool
        Whether the battery's mean has a part that imitation fits before the training; what learns is added to it.
    """

    def __init__(
        self,
        rows: ChargerRows,
        width: int,
        n_skip: int,
        gain: float,
        bound: float,
        output_gain: float = 1.0,
        *,
        imitates: bool = False,
    ) -> None:
        super().__init__()
        self.net = SharedNet(rows.n_site_features + N_ROW_FEATURES, width, n_skip, gain)
        self.bess = SharedNet(rows.n_site_features, width) if rows.with_bess else None
        self.imitated = ImitatedNet(rows.n_site_features, width) if rows.with_bess and imitates else None
        self.bound = bound
        self.output_bound = bound / output_gain

    def forward(self, rows: Rows) -> torch.Tensor:
        """Return the means, shape (batch, n_actions); 0 at empty chargers."""
        means = rows.spread(_bounded(self.net(rows.inputs), self.bound, self.output_bound))
        return means if self.bess is None else with_last(means, self.bess_mean(rows.site))

    def bess_mean(self, site: torch.Tensor) -> torch.Tensor:
        """Return the mean of the battery's entry for site parts of observations, shape (batch,).

        Raises
        ------
        ValueError
            If no battery is under the agent.
        """
        if self.bess is None:
            raise ValueError("the actor has no network for a battery")
        mean = _bounded(self.bess(site), self.bound, self.bound)
        return mean if self.imitated is None else mean + self.imitated(site)

    def forget_battery(self) -> None:
        """Leave of the battery's mean what imitation fitted."""
        if self.bess is not None:
            for parameter in self.bess.output.parameters():
                nn.init.zeros_(parameter)


def _bounded(z: torch.Tensor, bound: float, scale: float) -> torch.Tensor:
    bounded: torch.Tensor = bound * nn.functional.softsign(z / scale)
    return bounded


class SharedValue(nn.Module):
    """Value of every car, and of the battery where it is dispatched, from its own part of the reward on."""

    def __init__(self, rows: ChargerRows, width: int) -> None:
        super().__init__()
        self.car = SharedNet(N_ROW_FEATURES + rows.n_site_features, width)
        self.bess = SharedNet(rows.n_site_features, width) if rows.with_bess else None

    def forward(self, rows: Rows) -> torch.Tensor:
        """Return the values, shape (batch, n_actions); 0 at empty chargers."""
        values = rows.spread(self.car(rows.inputs))
        return values if self.bess is None else with_last(values, self.bess(rows.site))


class SharedQ(nn.Module):
    """Action value of every car, from its own part of the reward on.

    A car's inputs hold what the action leaves (`ChargerRows.with_action`), which follows from the known charging law of
    the car; giving it to the critic is disclosed in the report.
    """

    def __init__(self, rows: ChargerRows, width: int, gain: float) -> None:
        super().__init__()
        n_own = N_ROW_FEATURES + N_ACTION_FEATURES
        self.car = SharedNet(rows.n_site_features + n_own, width, n_own)
        self.bess = SharedNet(rows.n_site_features + 1, width) if rows.with_bess else None
        self.gain = gain

    def forward(self, rows: Rows, inputs: tuple[torch.Tensor, torch.Tensor], action: torch.Tensor) -> torch.Tensor:
        """Return the values of a batch of actions, shape (batch, n_actions); 0 at empty chargers.

        `inputs` is what `ChargerRows.with_action` makes of rows and action, once for all critics.
        """
        values = rows.spread(self.gain * self.car(*inputs))
        if self.bess is None:
            return values
        of_bess = action[:, -1:]
        return with_last(values, self.gain * self.bess(torch.cat([rows.site, of_bess.detach()], dim=1), of_bess))
