"""The objectives by which policies are judged, and the keys of results that belong to each.

This module imports only the standard library, since `iquitos status` reads it at every start.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Judged:
    """An objective of which less is better, with an optimum of its own.

    Attributes
    ----------
    name : str
        Its name in `optimum.objectives`.
    label : str
        Name for readers.
    figure : str
        Key figure that is to be small.
    unit : str
        Unit of that figure.
    best_constant : str
        Key of the best constant action for it in an agent's result.
    """

    name: str
    label: str
    figure: str
    unit: str
    best_constant: str

    @property
    def share(self) -> str:
        """Key figure that says which share of the possible gain a policy captures."""
        return f"captured_share_{self.name}"

    @property
    def learning_gain(self) -> str:
        """Key of what the learning of an agent added to that share."""
        return f"learning_gain_{self.name}"


JUDGED: Mapping[str, Judged] = {
    "co2": Judged(name="co2", label="CO2", figure="co2_kg", unit="kg", best_constant="best_constant"),
    "cost": Judged(name="cost", label="cost", figure="cost_usd", unit="USD", best_constant="best_constant_cost"),
}
"""By name, the first one first in every text."""
