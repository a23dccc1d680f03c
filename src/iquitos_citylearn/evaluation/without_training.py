"""Evaluation of a policy without a model: a rule, or the optimum."""

from typing import Any

from iquitos_citylearn.env.replay import begin_replays
from iquitos_citylearn.env.year import Year
from iquitos_citylearn.evaluation.candidates import HEADLINE, Candidate, certify_and_write, evaluation_of, run_candidate
from iquitos_citylearn.evaluation.captured_share import read_references
from iquitos_citylearn.evaluation.references import bound_out_of_reach
from iquitos_citylearn.evaluation.resolution import resolution
from iquitos_citylearn.evaluation.year_figures import year_figures
from iquitos_citylearn.evaluation.years import SCHEMA, read_evaluation_years
from iquitos_citylearn.optimum.objectives import OBJECTIVES
from iquitos_citylearn.optimum.optimiser import Optimiser
from iquitos_citylearn.params import Params
from iquitos_citylearn.policies.making import make_policy
from iquitos_citylearn.policies.register import Kind, PolicyEntry
from iquitos_citylearn.policies.rollout import roll_out
from iquitos_citylearn.policies.rules import ConstantPolicy
from iquitos_citylearn.runtime.folders import DATA, METRICS, REFERENCES, RUNS


def evaluate_without_training(entry: PolicyEntry, params: Params) -> None:
    """Write the result of a rule or of the optimum, and time series and trace where CityLearn replays the whole year.

    Parameters
    ----------
    entry : PolicyEntry
        A policy of the register.
    params : Params
        The whole params file.
    """
    years = read_evaluation_years(params, DATA, entry.actions)
    if entry.replayed_in_full:
        begin_replays(years[HEADLINE].site)
    extra = {"optimum": optima_of_year(years[HEADLINE])} if entry.kind is Kind.OPTIMUM else {}
    seeds = params.evaluation.random_seeds if entry.seeded else (None,)
    candidates = (Candidate(seed, make_policy(entry, years, params, seed or 0), {}) for seed in seeds)
    references = read_references(REFERENCES, years.seeds)
    runs = (run_candidate(candidate, years, references) for candidate in candidates)
    certify_and_write(
        evaluation_of(entry, runs, years, references), METRICS, run_folder=RUNS, schema=DATA / SCHEMA, extra=extra
    )


def optima_of_year(year: Year) -> dict[str, Any]:
    """Return for every objective its own optimum, what charging at once to full reaches, and the resolution."""
    optimiser = Optimiser(year)
    figures = year_figures(roll_out(ConstantPolicy(1.0, year.site.n_chargers), year), year)
    adjusted = figures["adjusted"]
    at_once = {
        "co2": adjusted["co2_kg"],
        "cost": adjusted["cost_usd"],
        "peak_import": adjusted["peak_import_kw"],
        "reward": -figures["reward"]["total"],
    }
    optima: dict[str, Any] = {
        name: {
            **optimiser.optimum(name).summary(),
            "uncontrolled": at_once[name],
            "resolution": resolution(year, name),
        }
        for name in OBJECTIVES
    }
    return optima | {"bound_out_of_reach": bound_out_of_reach(year.site)}
