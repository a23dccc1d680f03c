"""Stage rules: the other rules over the evaluation years on the twin, some weeks of each certified."""

from functools import partial
from pathlib import Path

from iquitos_citylearn.env.replay import CITYLEARN, begin_replays
from iquitos_citylearn.env.setting import Setting
from iquitos_citylearn.evaluation.candidates import HEADLINE, Candidate, certify_and_write, evaluation_of, run_candidate
from iquitos_citylearn.evaluation.references import read_references
from iquitos_citylearn.evaluation.years import read_evaluation_years
from iquitos_citylearn.params import Params
from iquitos_citylearn.policies.rules import RULES, Rule, RuleParams
from iquitos_citylearn.runtime.folders import DATA, METRICS, REFERENCES, RUNS
from iquitos_citylearn.runtime.processes import run_in_processes

RANDOM = "random"
TWIN_ONLY = ("latest", "least_laxity", "solar_following", RANDOM, "idle")
"""Rules whose headline year is not replayed in full; baselines are those of which it is."""


def evaluate_rules(params: Params) -> None:
    """Write the result of every rule that is no baseline; they are run in processes side by side."""
    run_in_processes(partial(evaluate_rule, params=params), TWIN_ONLY, CITYLEARN)


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
    if schema is not None:
        begin_replays(years.sites[HEADLINE])
    seeds = params.evaluation.random_seeds if name == RANDOM else (None,)
    candidates = (Candidate(seed, rule_policy(name, params, years.setting, seed or 0), {}) for seed in seeds)
    references = read_references(REFERENCES, years.seeds)
    runs = (run_candidate(candidate, years, references) for candidate in candidates)
    certify_and_write(evaluation_of(name.upper(), runs, years, references), METRICS, run_folder=RUNS, schema=schema)


def rule_policy(name: str, params: Params, setting: Setting, random_seed: int = 0) -> Rule:
    """Return a rule for the years of a setting."""
    return RULES[name].make(setting, RuleParams(params.evaluation.least_laxity_limit_kw, random_seed))
