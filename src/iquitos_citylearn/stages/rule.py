"""Stage rule@<policy>: a rule over the evaluation years on the twin, some weeks of it certified."""

from pathlib import Path

from iquitos_citylearn.agents.rules import RULES, RuleParams
from iquitos_citylearn.evaluation import Candidate, evaluate
from iquitos_citylearn.evaluation_years import read_evaluation_years
from iquitos_citylearn.params import Params
from iquitos_citylearn.references import read_references
from iquitos_citylearn.stages.folders import DATA, METRICS, REFERENCES

RANDOM = "random"


def evaluate_rule(name: str, params: Params, schema: Path | None = None) -> None:
    """Write the result of a rule, and its time series and trace where the headline year is replayed in full.

    Parameters
    ----------
    name : str
        Name in `agents.rules.RULES`.
    params : Params
        The whole params file.
    schema : Path or None
        Data set of the headline year, to replay it in full.
    """
    rule = RULES[name]
    years = read_evaluation_years(params, DATA, rule.action_mapping)
    limit_kw = params.evaluation.least_laxity_limit_kw
    seeds = params.evaluation.random_seeds if name == RANDOM else (None,)
    candidates = [Candidate(seed, rule.make(years.setting, RuleParams(limit_kw, seed or 0)), {}) for seed in seeds]
    evaluate(name.upper(), candidates, years, read_references(REFERENCES, years.seeds), METRICS, schema=schema)
