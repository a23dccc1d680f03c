"""Stage baseline@<policy>: a policy that needs no model, on the headline year."""

from pathlib import Path
from typing import Any

from iquitos_citylearn.agents.rules import RULES, ConstantPolicy
from iquitos_citylearn.evaluation import Candidate, evaluate, read_headline_year
from iquitos_citylearn.optimum.objectives import OBJECTIVES
from iquitos_citylearn.optimum.optimiser import Optimiser
from iquitos_citylearn.params import Params

SCHEMA, METRICS_FOLDER = Path("data/site/schema.json"), Path("metrics")
OPTIMUM = "optimum"


def evaluate_baseline(name: str, params: Params) -> None:
    """Write result, time series and trace of a rule, or of the perfect-foresight optimum."""
    if name == OPTIMUM:
        evaluate_optimum(params)
        return
    rule = RULES[name]
    year = read_headline_year(params, SCHEMA, rule.action_mapping)
    policy = ConstantPolicy(rule.action, year.site.n_chargers)
    evaluate(name.upper(), [Candidate(None, policy, {})], year, METRICS_FOLDER)


def evaluate_optimum(params: Params) -> None:
    """Write the same files of the plan of least CO2, replayed; `optimum` in the result holds every objective."""
    year = read_headline_year(params, SCHEMA, "raw")
    optimiser = Optimiser(year.setting, year.site.sessions)
    optima = {name: optimiser.optimum(name) for name in OBJECTIVES}
    figures: dict[str, Any] = {name: optimum.summary() for name, optimum in optima.items()}
    note = {"bound_out_of_reach": year.site.bess is not None and year.site.bess_automatic}
    candidate = Candidate(None, optima["co2"].policy, {})
    evaluate(OPTIMUM.upper(), [candidate], year, METRICS_FOLDER, extra={OPTIMUM: figures | note})
