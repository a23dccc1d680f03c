"""The rule `level` for a battery under the agent: it imports little and early enough, and never much at once.

The import target is the observation's `level_target` (`env/night.py` has the rule); cars are charged as under
`required`. A rule that gives no entry for the battery leaves it to automatic dispatch (`env/action.py`).
"""

import numpy as np
from numpy.typing import NDArray

from iquitos_citylearn.env.action import bess_entry
from iquitos_citylearn.env.physics import dispatches_bess
from iquitos_citylearn.env.setting import Setting
from iquitos_citylearn.env.year import Years
from iquitos_citylearn.params import Params
from iquitos_citylearn.policies.policy import Rule
from iquitos_citylearn.policies.rules import required
from iquitos_citylearn.policies.scenarios import SiteReader
from iquitos_citylearn.site.model import FloatArray

MOST = 2.0
"""Largest change of the battery's share that an entry can ask for, from full discharge to full charge."""


class ImportTarget(Rule):
    """Leaves the cars to a rule; the battery covers what load and cars lack above a target, and charges up to it.

    Subclasses say what the target is.

    Parameters
    ----------
    cars : Rule
        Decides on the chargers.
    setting : Setting
        For the battery and the scales of the observation.
    """

    def __init__(self, cars: Rule, setting: Setting) -> None:
        self._cars = cars
        self._dispatches = dispatches_bess(setting.equipment)
        self._power_kw = float(setting.equipment.bess[0]["nominal_power_kw"])
        self.reader = SiteReader(setting)
        self._scale_kw = setting.lookahead.scale_kw

    def decide(self, observation: NDArray[np.float32]) -> FloatArray:
        """Return the actions, the battery's last, shape (batch, n_actions)."""
        cars = self._cars.decide(observation)
        if not self._dispatches:
            return cars
        share = np.minimum(self.target_kw(observation) / self._power_kw, MOST)
        return np.column_stack([cars, bess_entry(share, np.zeros(len(cars)))])

    def target_kw(self, observation: NDArray[np.float32]) -> FloatArray:
        """Return the import target of each observation [kW], shape (batch,)."""
        return self.reader.entry(observation, "level_target") * self._scale_kw


def level(years: Years, params: Params, seed: int) -> Rule:
    """Return the rule `level`; where no agent dispatches a battery it is `required`."""
    return ImportTarget(required(years, params, seed), years.setting)
