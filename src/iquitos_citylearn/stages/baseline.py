"""Stage baseline@<policy>: a policy that needs no model, on the headline year."""

from pathlib import Path

from iquitos_citylearn.agents.rules import RULES, ConstantPolicy
from iquitos_citylearn.evaluation import Candidate, evaluate, read_headline_year
from iquitos_citylearn.params import Params


def evaluate_rule(name: str, params: Params) -> None:
    """Write result, time series and trace of a rule-based policy."""
    rule = RULES[name]
    year = read_headline_year(params, Path("data/site/schema.json"), rule.action_mapping)
    policy = ConstantPolicy(rule.action, year.site.n_chargers)
    evaluate(name.upper(), [Candidate(None, policy, {})], year, Path("metrics"))
