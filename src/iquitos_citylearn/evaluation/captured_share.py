"""What there is to gain in a year, objective by objective, and the share of it that a policy captures."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iquitos_citylearn.evaluation.judged import JUDGED, Judged
from iquitos_citylearn.runtime.artifacts import ArtifactError, read_json


@dataclass(frozen=True)
class Ends:
    """The two ends of a captured share, in the unit of the objective.

    Attributes
    ----------
    uncontrolled : float
        Figure of charging at once to full: no gain.
    optimum : float
        Figure of the objective's own optimum: the whole gain.
    resolution : float
        Smallest gain that can be told from rounding (`evaluation/resolution.py`).
    """

    uncontrolled: float
    optimum: float
    resolution: float

    @property
    def gain(self) -> float:
        """What the optimum saves."""
        return self.uncontrolled - self.optimum

    @property
    def is_gain(self) -> bool:
        """Whether that is more than rounding."""
        return self.gain > self.resolution

    def share(self, figure: float) -> float | None:
        """Return the share of the gain that a policy with this figure captures; None where there is nothing to gain.

        Notes
        -----
        (uncontrolled - figure) / (uncontrolled - optimum): 0 for charging at once, 1 for the optimum, negative for a
        policy that does worse than charging at once.
        """
        return (self.uncontrolled - figure) / self.gain if self.is_gain else None


@dataclass(frozen=True, kw_only=True)
class Reference:
    """Figures of a year under charging at once to full and at its optima, from which every captured share is counted.

    Attributes
    ----------
    uncontrolled_co2_kg, uncontrolled_cost_usd : float
        Charging at once, at full power, until full, service-adjusted [kg, USD].
    optimum_co2_kg, optimum_cost_usd : float
        Results of the plan of least CO2, and of the plan of least cost, in the simulator [kg, USD].
    bound_co2_kg, bound_cost_usd : float
        Values of the linear programs [kg, USD]. Out of reach with a battery on automatic dispatch, which they dispatch
        freely.
    resolution_co2_kg, resolution_cost_usd : float
        Smallest gains that can be told from rounding (`evaluation/resolution.py`) [kg, USD].
    """

    uncontrolled_co2_kg: float
    uncontrolled_cost_usd: float
    optimum_co2_kg: float
    optimum_cost_usd: float
    bound_co2_kg: float
    bound_cost_usd: float
    resolution_co2_kg: float
    resolution_cost_usd: float

    def ends(self, judged: Judged) -> Ends:
        """Return both ends for an objective."""
        values = (getattr(self, f"{end}_{judged.figure}") for end in ("uncontrolled", "optimum", "resolution"))
        return Ends(*values)


def captured_shares(figures: Mapping[str, Any], reference: Reference) -> dict[str, float | None]:
    """Return the captured shares of a policy in a year; None where the objective has nothing to gain.

    Parameters
    ----------
    figures : mapping
        Key figures of the year; `co2_kg`, and `co2_kg` and `cost_usd` of `adjusted`.
    reference : Reference
        Of the same year.

    Returns
    -------
    dict
        `captured_share_co2` and `captured_share_cost`, service-adjusted, each of its own optimum, and
        `plain_share_co2`, which empty cars raise.
    """
    shares = {
        judged.share: reference.ends(judged).share(figures["adjusted"][judged.figure]) for judged in JUDGED.values()
    }
    return shares | {"plain_share_co2": reference.ends(JUDGED["co2"]).share(figures["co2_kg"])}


def read_references(path: Path, seeds: Iterable[int]) -> dict[int, Reference]:
    """Read the references of some years from `metrics/references.json`.

    Raises
    ------
    ArtifactError
        If the file is missing or damaged, or lacks a year.
    """
    content = read_json(path)
    try:
        return {seed: Reference(**content["years"][str(seed)]) for seed in seeds}
    except (KeyError, TypeError) as error:
        raise ArtifactError(f"{path}: has no whole entry for a year: {error}") from error
