"""References of each year, and the best constant actions: the content of `metrics/references.json`.

A reference holds what there is to gain: charging at once, and the optimum. Shares of all policies refer to the same
figures.
"""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from iquitos_citylearn.env.year import Years
from iquitos_citylearn.evaluation.captured_share import Reference, captured_shares
from iquitos_citylearn.evaluation.judged import JUDGED
from iquitos_citylearn.evaluation.resolution import resolution
from iquitos_citylearn.evaluation.year_figures import mean_figures, year_figures
from iquitos_citylearn.optimum.optimiser import Optimiser
from iquitos_citylearn.params import Actions, SiteParams
from iquitos_citylearn.policies.rollout import roll_out_years
from iquitos_citylearn.policies.rules import ConstantPolicy
from iquitos_citylearn.runtime.artifacts import ArtifactError, read_json
from iquitos_citylearn.site.model import Site

CONSTANT_ACTIONS = tuple(tenths / 10 for tenths in range(-10, 11))


def find_references(years: Years) -> dict[int, Reference]:
    """Return the reference of each year, by the year's seed.

    Parameters
    ----------
    years : Years
        With the action mapping `raw`.
    """
    uncontrolled = roll_out_years(ConstantPolicy(1.0, years[0].site.n_chargers), years.setting)
    references = {}
    for year, rollout in zip(years, uncontrolled, strict=True):
        at_once = year_figures(rollout, year)["adjusted"]
        optimiser = Optimiser(year)
        co2, cost = optimiser.optimum("co2"), optimiser.optimum("cost")
        references[year.seed] = Reference(
            uncontrolled_co2_kg=at_once["co2_kg"],
            uncontrolled_cost_usd=at_once["cost_usd"],
            optimum_co2_kg=co2.replayed,
            optimum_cost_usd=cost.replayed,
            bound_co2_kg=co2.bound,
            bound_cost_usd=cost.bound,
            resolution_co2_kg=resolution(year, "co2"),
            resolution_cost_usd=resolution(year, "cost"),
        )
    return references


def bound_out_of_reach(site: Site) -> bool:
    """Return whether the linear program dispatches a battery freely that dispatches itself in the simulator."""
    return site.bess_dispatch == "automatic"


def best_constants(years: Years, references: Mapping[int, Reference]) -> dict[str, dict[str, Any]]:
    """Return the constant actions that emit and that cost least over the years together, and their mean figures.

    They are chosen in hindsight, on the years that they are judged on, by service-adjusted figures. They show what the
    action mapping gives without learning.

    Returns
    -------
    dict
        `co2` and `cost`: `action` and `key_figures.MEANS`.
    """
    tried = []
    for action in CONSTANT_ACTIONS:
        rollouts = roll_out_years(ConstantPolicy(action, years[0].site.n_chargers), years.setting)
        runs = [
            figures | captured_shares(figures, references[year.seed])
            for year, figures in zip(years, map(year_figures, rollouts, years), strict=True)
        ]
        sums = {name: sum(run["adjusted"][judged.figure] for run in runs) for name, judged in JUDGED.items()}
        tried.append((sums, {"action": action, **mean_figures(runs)}))
    return {name: min(tried, key=lambda item: item[0][name])[1] for name in JUDGED}


def as_content(
    references: Mapping[int, Reference],
    constants: Mapping[Actions, Mapping[str, dict[str, Any]]],
    *,
    bound_out_of_reach: bool,
) -> dict[str, Any]:
    """Return the content of `metrics/references.json`."""
    return {
        "bound_out_of_reach": bound_out_of_reach,
        "years": {str(seed): asdict(reference) for seed, reference in references.items()},
        "best_constant": {_key(actions): dict(best) for actions, best in constants.items()},
    }


def read_best_constants(path: Path, actions: Actions) -> dict[str, dict[str, Any]]:
    """Read the figures of the best constant actions of one meaning (`best_constants`).

    Raises
    ------
    ArtifactError
        If the file is missing or damaged, or has no such mapping.
    """
    try:
        return dict(read_json(path)["best_constant"][_key(actions)])
    except KeyError as error:
        raise ArtifactError(f"{path}: has no constant action for the mapping {error}") from error


def actions_at(site: SiteParams, actions: Actions) -> Actions:
    """Return what actions mean at a site; where no agent dispatches a battery, its entry has the usual meaning."""
    return actions if site.bess_dispatch == "agent" else Actions(actions.chargers)


def _key(actions: Actions) -> str:
    """Return the name of a meaning in the file; that of a battery's entry follows where it is not the usual one."""
    usual = actions.bess == Actions._field_defaults["bess"]
    return actions.chargers if usual else f"{actions.chargers}+{actions.bess}"
