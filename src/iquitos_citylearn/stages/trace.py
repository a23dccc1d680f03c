"""A published headline year again, from the model or the rule: for its trace, and for CityLearn's own figures."""

from pathlib import Path

from iquitos_citylearn.evaluation.candidates import HEADLINE, write_trace
from iquitos_citylearn.evaluation.years import Years, read_all_years, read_evaluation_years
from iquitos_citylearn.params import Params
from iquitos_citylearn.policies.rollout import Rollout, Trace, trace_years
from iquitos_citylearn.policies.rules import RULES, Policy
from iquitos_citylearn.runtime.artifacts import read_json
from iquitos_citylearn.runtime.folders import DATA, METRICS, model_file
from iquitos_citylearn.stages.baseline import OPTIMUM, optimum_policy
from iquitos_citylearn.stages.rules import rule_policy


def trace_policy(name: str, params: Params) -> Path:
    """Write the trace of a policy's headline year (an agent's: of its median seed) again; return where it is."""
    path = METRICS / "simulations" / f"trace_{name.upper()}.csv"
    write_trace(path, *run_again(name, params))
    return path


def run_again(name: str, params: Params) -> tuple[Rollout, Trace, Years]:
    """Return the headline year of a policy, and the years that it was run beside."""
    policy, years = _published(name, params)
    rollouts, traces = trace_years(policy, years.setting, n_traced=1)
    return rollouts[HEADLINE], traces[HEADLINE], years


def _published(name: str, params: Params) -> tuple[Policy, Years]:
    """Return a policy and the years that its result comes from."""
    if name == OPTIMUM:
        years = read_evaluation_years(params, DATA, "raw")
        return optimum_policy(years), years
    if name in RULES:
        years = read_evaluation_years(params, DATA, RULES[name].action_mapping)
        return rule_policy(name, params, years.setting), years
    from iquitos_citylearn.agents.algorithms import read_model  # noqa: PLC0415 - rules need no torch
    from iquitos_citylearn.training.seed import make_deterministic  # noqa: PLC0415

    seed = read_json(METRICS / f"result_{name.upper()}.json")["seed"]
    make_deterministic(seed)
    policy = read_model(params.agent(name).algorithm, model_file(name, seed))
    return policy, read_all_years(params, DATA, params.agent(name).action_mapping)
