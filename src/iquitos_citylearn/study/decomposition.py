"""Where the money lies: how much of the possible saving of cost is the battery's, the cars', and of perfect forecasts.

Each row replaces a part of a controller by perfect foresight and is replayed on the twin over the evaluation years.
No row is certified by CityLearn. Rows of the battery charge cars under a rule, since planning the cars as well adds
nothing: the first row reaches the optimum of both.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from iquitos_citylearn.env.year import Years
from iquitos_citylearn.optimum.known_ahead import KnownAhead, Windows, until_next_month, until_refill, whole_year
from iquitos_citylearn.policies.level import ImportTarget
from iquitos_citylearn.policies.making import make_policy
from iquitos_citylearn.policies.plans import PolicyPerYear
from iquitos_citylearn.policies.policy import Policy, Rule
from iquitos_citylearn.policies.register import UNCONTROLLED, policy_named
from iquitos_citylearn.site.model import FloatArray
from iquitos_citylearn.study.drawn_case import DrawnCase

REQUIRED = "required"
Figures = Iterator[dict[str, float | int | None]]


class PlannedCars(Rule):
    """The chargers' part of plans; counts hours as these do.

    Parameters
    ----------
    plans : Policy
        Plans of years side by side, the chargers' entries first.
    n_chargers : int
        Number of chargers.
    """

    def __init__(self, plans: Policy, n_chargers: int) -> None:
        self._plans, self._n_chargers = plans, n_chargers

    def decide(self, observation: NDArray[np.float32]) -> FloatArray:
        """Return the next hour of the plans, shape (batch, n_chargers)."""
        actions, _ = self._plans.predict(observation)
        return np.asarray(actions[:, : self._n_chargers], dtype=np.float64)


def _plans(case: DrawnCase) -> PolicyPerYear:
    return PolicyPerYear([optimum.policy for optimum in case.optima])


def _battery_known(case: DrawnCase, cars: str, windows: Windows) -> Figures:
    """Judge a battery with perfect forecasts, and cars under a rule of the register."""
    entry = policy_named(cars, case.params)
    years = case.years(entry.actions)
    rule = make_policy(entry, years, case.params)
    if not isinstance(rule, Rule):
        raise TypeError(f"cars is {cars!r}; it must be a rule")
    return case.judge(KnownAhead(rule, years, windows(years)), years)


def _cars_known(case: DrawnCase) -> Figures:
    """Judge the cars' part of the plans of least cost, with the battery under `level`."""
    years: Years = case.planned
    cars = PlannedCars(_plans(case), years[0].site.n_chargers)
    return case.judge(ImportTarget(cars, years.setting), years)


ROWS: Mapping[str, Callable[[DrawnCase], Figures]] = {
    "battery with perfect foresight, cars under `required`": lambda case: _battery_known(case, REQUIRED, whole_year),
    "battery with perfect foresight, cars to full at once": lambda case: _battery_known(case, UNCONTROLLED, whole_year),
    "cars with perfect foresight, battery under `level`": _cars_known,
    "battery with a perfect forecast until the refill, cars under `required`": lambda case: _battery_known(
        case, REQUIRED, until_refill
    ),
    "battery with a perfect forecast of the month, cars under `required`": lambda case: _battery_known(
        case, REQUIRED, until_next_month
    ),
    **{name: partial(DrawnCase.judge_named, name=name) for name in ("level", "mpc", "rollout")},
    "optimum_cost": lambda case: case.judge(_plans(case), case.planned),
}
"""What each row is, and how it is judged."""


def decompose(case: DrawnCase) -> pd.DataFrame:
    """Return cost and captured share of cost of every row in every year.

    Returns
    -------
    DataFrame
        `row`, `year`, `cost_usd` (service-adjusted) and `captured_share_cost`.
    """
    return pd.DataFrame([{"row": row, **figures} for row, judge in ROWS.items() for figures in judge(case)])
