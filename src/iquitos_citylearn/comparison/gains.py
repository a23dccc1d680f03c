"""What there is to gain, objective by objective: each of its own optimum, its own verdict and best policies."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from statistics import fmean
from typing import Any

from iquitos_citylearn.evaluation.captured_share import Ends, Reference
from iquitos_citylearn.evaluation.judged import JUDGED
from iquitos_citylearn.evaluation.key_figures import KEY_FIGURES
from iquitos_citylearn.policies.register import Kind
from iquitos_citylearn.runtime.artifacts import ArtifactError, read_json

LESS_SERVICE = 0.01
"""A policy whose service is lower than that of the optimum by more than this is not called best: captured shares put
a price on unmet energy, and drivers may see it otherwise."""
CONTENDERS = (Kind.RULE, Kind.CONTROLLER, Kind.AGENT)
"""Kinds of which the best policy is named, in this order."""

Figures = Mapping[str, Any]


class Verdict(StrEnum):
    """What a possible gain amounts to."""

    NONE = "none"
    LITTLE = "little"
    MUCH = "much"


@dataclass(frozen=True, kw_only=True)
class Gain:
    """What there is to gain in one objective, means over years.

    Attributes
    ----------
    unit : str
        Unit of the objective.
    uncontrolled, optimum : float
        Figure of charging at once to full, service-adjusted, and of the objective's own optimum.
    gain : float
        Their difference.
    share : float
        That as a share of the size of charging at once; 0 where that is 0.
    resolution : float
        Smallest gain that can be told from rounding.
    verdict : Verdict
        None: no year has a gain above its resolution. Little: the share is below `evaluation.little_gain_share`.
    best : dict of str to str
        By kind the policy that captures most, of those that serve the cars (`serves`); empty where nothing is to gain.
    """

    unit: str
    uncontrolled: float
    optimum: float
    gain: float
    share: float
    resolution: float
    verdict: Verdict
    best: dict[str, str]

    @property
    def best_without_learning(self) -> list[str]:
        """The best rule and the best controller, as far as there are any."""
        return [policy for kind, policy in self.best.items() if kind != Kind.AGENT]


def find_gains(
    policies: Mapping[str, Figures], references: Iterable[Reference], little_gain_share: float
) -> dict[str, Gain]:
    """Return the gain of every objective by which policies are judged; none without a year.

    Parameters
    ----------
    policies : mapping
        Compared policies (`comparison.compare`), with their captured shares and their service.
    references : iterable of Reference
        One of each evaluation year.
    little_gain_share : float
        Share of the figure of charging at once below which a gain is little.
    """
    years = list(references)
    serving = {name: figures for name, figures in policies.items() if serves(figures, policies)}
    gains = {}
    for name, judged in JUDGED.items() if years else ():
        found = {kind.value: best_of_kind(kind, serving, judged.share) for kind in CONTENDERS}
        best = {kind: policy for kind, policy in found.items() if policy is not None}
        gains[name] = _gain([year.ends(judged) for year in years], judged.unit, little_gain_share, best)
    return gains


def headline_gains(results: Mapping[str, Figures], little_gain_share: float) -> dict[str, Gain]:
    """Return the gain of every objective in the headline year, peak import and reward included."""
    optima: Figures = next((result["optimum"] for result in results.values() if "optimum" in result), {})
    return {
        name: _gain(
            [Ends(entry["uncontrolled"], entry["replayed"], entry["resolution"])], entry["unit"], little_gain_share, {}
        )
        for name, entry in optima.items()
        if isinstance(entry, Mapping)
    }


def _gain(years: Sequence[Ends], unit: str, little_gain_share: float, best: dict[str, str]) -> Gain:
    uncontrolled, gain = fmean(year.uncontrolled for year in years), fmean(year.gain for year in years)
    share = gain / abs(uncontrolled) if uncontrolled else 0.0
    verdict = Verdict.LITTLE if share < little_gain_share else Verdict.MUCH
    return Gain(
        unit=unit,
        uncontrolled=uncontrolled,
        optimum=fmean(year.optimum for year in years),
        gain=gain,
        share=share,
        resolution=fmean(year.resolution for year in years),
        verdict=verdict if any(year.is_gain for year in years) else Verdict.NONE,
        best=best,
    )


def read_comparison(path: Path) -> dict[str, Any]:
    """Read a comparison.

    Raises
    ------
    ArtifactError
        If it is missing or damaged, or its gains are not those of this version.
    """
    comparison = read_json(path)
    if not is_of_this_version(comparison):
        raise ArtifactError(f"{path}: is no comparison of this version; compare again")
    return comparison


def is_of_this_version(comparison: Mapping[str, Any]) -> bool:
    """Return whether the gains of a comparison are those of this version."""
    try:
        gains_of(comparison)
    except (KeyError, TypeError):
        return False
    return True


def gains_of(comparison: Mapping[str, Any]) -> dict[str, Gain]:
    """Return the gains that a comparison holds, by objective."""
    return {name: Gain(**entry) for name, entry in comparison["to_gain"].items()}


def best_of_kind(kind: Kind, policies: Mapping[str, Figures], share: str) -> str | None:
    """Return the policy of a kind that captures most, of equal ones the first; None where none captures a share."""
    names = [name for name, figures in policies.items() if figures["kind"] == kind and share in figures]
    return max(names, key=lambda name: shown_percent(policies[name], share)) if names else None


def points_ahead(gain: Gain, policies: Mapping[str, Figures], share: str) -> float | None:
    """Return by how many points the best agent is ahead of the best rule and controller, as printed.

    None without an agent, or without a rule or controller.
    """
    agent, others = gain.best.get(Kind.AGENT), gain.best_without_learning
    if agent is None or not others:
        return None
    return shown_percent(policies[agent], share) - max(shown_percent(policies[name], share) for name in others)


def shown_percent(figures: Figures, share: str) -> float:
    """Return a mean share as it is printed, so that what looks equal is equal [%]."""
    return KEY_FIGURES[share].print_form.rounded(float(figures[share]["mean"]))


def serves(figures: Figures, policies: Mapping[str, Figures]) -> bool:
    """Return whether a policy serves about as many cars as the optimum, which serves all that the site can."""
    best = [optimum["ev_service"]["mean"] for optimum in optima_of(policies).values() if "ev_service" in optimum]
    if "ev_service" not in figures or not best:
        return True
    return bool(figures["ev_service"]["mean"] >= max(best) - LESS_SERVICE)


def optima_of(policies: Mapping[str, Figures]) -> dict[str, Figures]:
    """Return the optima: one where it has the least of every objective, else one for each objective."""
    return {name: figures for name, figures in policies.items() if figures["kind"] == Kind.OPTIMUM}
