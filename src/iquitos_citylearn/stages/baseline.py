"""Stage baseline@<policy>: the rules and the optimum that the agents stand beside, certified over the headline year."""

from typing import Any

from iquitos_citylearn.env.replay import begin_replays
from iquitos_citylearn.evaluation.candidates import HEADLINE, Candidate, certify_and_write, evaluation_of, run_candidate
from iquitos_citylearn.evaluation.references import bound_out_of_reach, read_references
from iquitos_citylearn.evaluation.years import SCHEMA, Years, read_evaluation_years
from iquitos_citylearn.optimum.objectives import OBJECTIVES
from iquitos_citylearn.optimum.optimiser import Optimiser
from iquitos_citylearn.params import Params
from iquitos_citylearn.policies.plans import PolicyPerYear
from iquitos_citylearn.runtime.folders import DATA, METRICS, REFERENCES, RUNS
from iquitos_citylearn.stages.rules import evaluate_rule

OPTIMUM = "optimum"


def evaluate_baseline(name: str, params: Params) -> None:
    """Write result, time series and trace of a rule, or of the perfect-foresight optimum."""
    if name == OPTIMUM:
        evaluate_optimum(params)
    else:
        evaluate_rule(name, params, DATA / SCHEMA)


def evaluate_optimum(params: Params) -> None:
    """Write the same files of the plans of least CO2; `optimum` in the result holds every objective's bound."""
    years = read_evaluation_years(params, DATA, "raw")
    begin_replays(years.sites[HEADLINE])
    optimiser = Optimiser(years.setting_of(HEADLINE), years.sites[HEADLINE].sessions)
    figures: dict[str, Any] = {name: optimiser.optimum(name).summary() for name in OBJECTIVES}
    note = {"bound_out_of_reach": bound_out_of_reach(years.sites[0])}
    references = read_references(REFERENCES, years.seeds)
    run = run_candidate(Candidate(None, optimum_policy(years), {}), years, references)
    evaluation = evaluation_of(OPTIMUM.upper(), [run], years, references)
    certify_and_write(evaluation, METRICS, run_folder=RUNS, schema=DATA / SCHEMA, extra={OPTIMUM: figures | note})


def optimum_policy(years: Years) -> PolicyPerYear:
    """Return the plans of least CO2, one for each year."""
    optimisers = (Optimiser(years.setting_of(index), site.sessions) for index, site in enumerate(years.sites))
    return PolicyPerYear([optimiser.optimum("co2").policy for optimiser in optimisers])
