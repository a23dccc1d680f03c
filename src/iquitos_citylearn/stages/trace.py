"""The headline year of a policy again, from its rule or model: its trace, and a replay for CityLearn's own figures."""

from pathlib import Path

from iquitos_citylearn.env.year import Year, Years
from iquitos_citylearn.evaluation.candidates import HEADLINE, write_trace
from iquitos_citylearn.evaluation.years import read_all_years, read_evaluation_years
from iquitos_citylearn.params import Params
from iquitos_citylearn.policies.making import make_policy
from iquitos_citylearn.policies.policy import Policy
from iquitos_citylearn.policies.register import Kind, PolicyEntry, policies_of
from iquitos_citylearn.policies.rollout import Rollout, Trace, trace_years
from iquitos_citylearn.runtime.artifacts import read_json
from iquitos_citylearn.runtime.folders import DATA, model_file, result_file, trace_file


def trace_policy(entry: PolicyEntry, params: Params) -> Path:
    """Write the trace of a policy's headline year (of an agent's median seed) again; return its path."""
    path = trace_file(entry.result_name)
    write_trace(path, *run_again(entry, params))
    return path


def trace_missing(params: Params) -> list[Path]:
    """Write the traces of agents that are not there, as after a pull; return their paths."""
    agents = [entry for entry in policies_of(params) if entry.kind is Kind.AGENT]
    return [trace_policy(entry, params) for entry in agents if not trace_file(entry.result_name).exists()]


def run_again(entry: PolicyEntry, params: Params) -> tuple[Rollout, Trace, Year]:
    """Return the headline year of a policy."""
    policy, years = _published(entry, params)
    rollouts, traces = trace_years(policy, years.setting, n_traced=1)
    return rollouts[HEADLINE], traces[HEADLINE], years[HEADLINE]


def _published(entry: PolicyEntry, params: Params) -> tuple[Policy, Years]:
    """Return a policy and the years that its result comes from."""
    if entry.kind is not Kind.AGENT:
        years = read_evaluation_years(params, DATA, entry.actions)
        return make_policy(entry, years, params), years
    from iquitos_citylearn.agents.algorithms import read_model  # noqa: PLC0415 - rules need no torch
    from iquitos_citylearn.training.seed import make_deterministic  # noqa: PLC0415

    seed = read_json(result_file(entry.result_name))["seed"]
    make_deterministic(seed)
    policy = read_model(params.agent(entry.name).algorithm, model_file(entry.name, seed))
    return policy, read_all_years(params, DATA, entry.actions)
