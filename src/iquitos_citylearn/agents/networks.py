"""One small network shared by all chargers, as actor and as critic.

The observation is a site part and one block per charger (`env/observation.py`); a car's best action depends on its
own block and the site part, not on which charger it stands at. Sharing the weights over chargers says so, and makes
every step give as many samples as there are cars. Rows of empty chargers are skipped.
"""

import math
from typing import NamedTuple

import torch
from torch import nn

from iquitos_citylearn.env.action import NEED_LEFT, NEED_REACHED
from iquitos_citylearn.env.observation import N_CHARGER_FEATURES

N_ROW_FEATURES = 7
LOGIT_RANGE = 0.98
"""The needed share is shrunk to this range before atanh, so that 0 and 1 stay finite."""


class Rows(NamedTuple):
    """Connected chargers of a batch, one row each.

    Attributes
    ----------
    site : Tensor, shape (batch, n_site_features)
        Site part of the observation.
    features : Tensor, shape (n_rows, N_ROW_FEATURES)
        Energy needed, energy to full, time left, 1 / hours left, rate needed, needed share f, its logit.
    batch, charger : Tensor of int64, shape (n_rows,)
        Where each row stands in the batch.
    """

    site: torch.Tensor
    features: torch.Tensor
    batch: torch.Tensor
    charger: torch.Tensor


class ChargerRows(nn.Module):
    """Turn observations into rows of connected chargers.

    Parameters
    ----------
    n_observations, n_chargers : int
        Size of the observation, and number of chargers.
    energy_hours, departure_hours : float
        Scales of the charger entries (`environment.*_horizon_hours`) [h].
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
        with_bess: bool = False,
    ) -> None:
        super().__init__()
        self.n_chargers = n_chargers
        self.with_bess = with_bess
        self.n_site_features = n_observations - N_CHARGER_FEATURES * n_chargers
        self.energy_hours = energy_hours
        self.departure_hours = departure_hours

    def forward(self, observation: torch.Tensor) -> Rows:
        """Return the rows of a batch of observations, shape (batch, n_observations)."""
        site = observation[:, : self.n_site_features]
        blocks = observation[:, self.n_site_features :].reshape(-1, self.n_chargers, N_CHARGER_FEATURES)
        batch, charger = torch.nonzero(blocks[:, :, 0] > 0, as_tuple=True)
        row = blocks[batch, charger]
        needed, to_full, time_left = row[:, 1], row[:, 2], row[:, 3]
        needed_hours = needed * self.energy_hours
        per_hour = 1.0 / torch.clamp(time_left * self.departure_hours, min=1.0)
        share = torch.clamp(needed_hours, max=1.0)
        features = [needed, to_full, time_left, per_hour, needed_hours * per_hour, share, needed_logit(share)]
        return Rows(site, torch.stack(features, dim=1), batch, charger)

    def connected(self, observation: torch.Tensor) -> torch.Tensor:
        """Return 1 where a car is connected, else 0; 1 for the battery; shape (batch, n_actions)."""
        connected = observation[:, self.n_site_features :: N_CHARGER_FEATURES]
        return nn.functional.pad(connected, (0, 1), value=1.0) if self.with_bess else connected

    def delivered_hours(self, rows: Rows, action: torch.Tensor, mapping: str) -> torch.Tensor:
        """Return the hours at full power that each row's action charges (the charging law of the car)."""
        share = mapped_share(mapping, 0.5 * (action + 1.0), rows.features[:, 5])
        return torch.minimum(share, rows.features[:, 1] * self.energy_hours)


def needed_logit(share: torch.Tensor) -> torch.Tensor:
    """Return the pre-tanh action that charges the needed share: atanh(0.98 (2 f - 1))."""
    return torch.atanh(LOGIT_RANGE * (2.0 * share - 1.0))


def mapped_share(mapping: str, u: torch.Tensor, needed: torch.Tensor) -> torch.Tensor:
    """Return the charger action of `env/action.py` on tensors."""
    if mapping == "need_limited":
        return u * needed
    if mapping == "three_segment":
        below = needed * torch.clamp(u / NEED_REACHED, max=1.0)
        return below + (1.0 - needed) * torch.clamp((u - NEED_LEFT) / (1.0 - NEED_LEFT), min=0.0)
    return u


class SharedNet(nn.Module):
    """Two hidden layers over [row, site]; the site part of the first layer is computed once per observation.

    Parameters
    ----------
    n_row_features, n_site_features, width : int
        Sizes of the inputs and the hidden layers.
    output_gain : float
        Gain of the orthogonal initialisation of the output; 0 starts at zero.
    """

    def __init__(self, n_row_features: int, n_site_features: int, width: int, output_gain: float = 1.0) -> None:
        super().__init__()
        self.from_row = nn.Linear(n_row_features, width)
        self.from_site = nn.Linear(n_site_features, width, bias=False)
        self.hidden = nn.Linear(width, width)
        self.output = nn.Linear(width, 1)
        for layer in (self.from_row, self.from_site, self.hidden):
            nn.init.orthogonal_(layer.weight, math.sqrt(2))
        nn.init.orthogonal_(self.output.weight, output_gain)
        for layer in (self.from_row, self.hidden, self.output):
            nn.init.zeros_(layer.bias)

    def forward(self, row: torch.Tensor, site: torch.Tensor, batch: torch.Tensor) -> torch.Tensor:
        """Return one number per row, shape (n_rows,)."""
        first = torch.relu(self.from_row(row) + self.from_site(site)[batch])
        hidden: torch.Tensor = self.output(torch.relu(self.hidden(first)))
        return hidden.squeeze(1)


class BessNet(nn.Module):
    """Two hidden layers over the site part of the observation, for the stationary battery alone.

    Parameters
    ----------
    n_inputs, width : int
        Sizes of the input and the hidden layers.
    """

    def __init__(self, n_inputs: int, width: int) -> None:
        super().__init__()
        first, hidden, output = nn.Linear(n_inputs, width), nn.Linear(width, width), nn.Linear(width, 1)
        for layer, gain in ((first, math.sqrt(2)), (hidden, math.sqrt(2)), (output, 0.01)):
            nn.init.orthogonal_(layer.weight, gain)
            nn.init.zeros_(layer.bias)
        self.net = nn.Sequential(first, nn.ReLU(), hidden, nn.ReLU(), output)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return one number per row of the inputs, shape (batch, 1)."""
        result: torch.Tensor = self.net(inputs)
        return result


class SharedActor(nn.Module):
    """Pre-squash mean of every charger's action, and of the battery's where it is dispatched.

    Parameters
    ----------
    rows : ChargerRows
        How observations become rows.
    width : int
        Hidden width.
    gain : float
        Weighs a linear skip from the row (which starts at 0) against the network: how fast it learns.
    bound : float
        The mean is bound x s / (1 + |s|), s = (network + gain x skip) / bound: unlike with tanh, a saturated mean
        comes back.
    """

    def __init__(self, rows: ChargerRows, width: int, gain: float, bound: float) -> None:
        super().__init__()
        self.rows = rows
        self.net = SharedNet(N_ROW_FEATURES, rows.n_site_features, width, output_gain=0.01)
        self.skip = nn.Linear(N_ROW_FEATURES, 1, bias=False)
        nn.init.zeros_(self.skip.weight)
        self.bess = BessNet(rows.n_site_features, width) if rows.with_bess else None
        self.gain, self.bound = gain, bound

    def forward(self, observation: torch.Tensor) -> torch.Tensor:
        """Return the means, shape (batch, n_actions); 0 at empty chargers."""
        rows = self.rows(observation)
        z = self.net(rows.features, rows.site, rows.batch) + self.gain * self.skip(rows.features).squeeze(1)
        mean = observation.new_zeros(len(observation), self.rows.n_chargers)
        means = mean.index_put((rows.batch, rows.charger), self._bounded(z))
        return means if self.bess is None else torch.cat([means, self._bounded(self.bess(rows.site))], dim=1)

    def _bounded(self, z: torch.Tensor) -> torch.Tensor:
        return self.bound * nn.functional.softsign(z / self.bound)


class SharedValue(nn.Module):
    """Value of every car, from its own part of the reward on."""

    def __init__(self, rows: ChargerRows, width: int) -> None:
        super().__init__()
        self.rows = rows
        self.car = SharedNet(N_ROW_FEATURES, rows.n_site_features, width, output_gain=0.01)
        self.bess = BessNet(rows.n_site_features, width) if rows.with_bess else None

    def forward(self, observation: torch.Tensor) -> torch.Tensor:
        """Return the values, shape (batch, n_actions); 0 at empty chargers."""
        rows = self.rows(observation)
        values = observation.new_zeros(len(observation), self.rows.n_chargers)
        values = values.index_put((rows.batch, rows.charger), self.car(rows.features, rows.site, rows.batch))
        return values if self.bess is None else torch.cat([values, self.bess(rows.site)], dim=1)


class SharedQ(nn.Module):
    """Action value of every car, from its own part of the reward on.

    Beside the action, a car's inputs hold what the action leaves [h at full power]: the shortfall, the part of it that
    full power until departure cannot make up, and the overshoot. They follow from the known charging law of the car;
    giving them to the critic is disclosed in the report.
    """

    N_ACTION_FEATURES = 4

    def __init__(self, rows: ChargerRows, width: int, mapping: str, gain: float) -> None:
        super().__init__()
        self.rows = rows
        self.mapping = mapping
        self.car = SharedNet(N_ROW_FEATURES + self.N_ACTION_FEATURES, rows.n_site_features, width, output_gain=0.01)
        self.skip = nn.Linear(N_ROW_FEATURES + self.N_ACTION_FEATURES, 1, bias=False)
        nn.init.zeros_(self.skip.weight)
        self.bess = BessNet(rows.n_site_features + 1, width) if rows.with_bess else None
        self.gain = gain

    def forward(self, observation: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
        """Return the values, shape (batch, n_actions); 0 at empty chargers."""
        rows = self.rows(observation)
        row_action = action[rows.batch, rows.charger]
        delivered = self.rows.delivered_hours(rows, row_action, self.mapping)
        surplus = delivered - rows.features[:, 0] * self.rows.energy_hours
        hours_after = 1.0 / rows.features[:, 3] - 1.0
        shortfall = torch.clamp(-surplus, min=0.0)
        unavoidable = torch.clamp(-surplus - hours_after, min=0.0)
        law = torch.stack([row_action, shortfall, unavoidable, torch.clamp(surplus, min=0.0)], dim=1)
        inputs = torch.cat([rows.features, law], dim=1)
        per_car = self.car(inputs, rows.site, rows.batch) + self.skip(inputs).squeeze(1)
        values = observation.new_zeros(len(observation), self.rows.n_chargers)
        values = values.index_put((rows.batch, rows.charger), self.gain * per_car)
        if self.bess is None:
            return values
        of_bess = self.bess(torch.cat([rows.site, action[:, -1:]], dim=1))
        return torch.cat([values, self.gain * of_bess], dim=1)
