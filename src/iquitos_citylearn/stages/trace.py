"""A published headline year again, from the model or the rule: for its trace, and for CityLearn's own figures."""

from pathlib import Path

from iquitos_citylearn.agents.algorithms import read_model
from iquitos_citylearn.agents.rules import RULES
from iquitos_citylearn.artifacts import read_json
from iquitos_citylearn.evaluation import HEADLINE, write_trace
from iquitos_citylearn.evaluation_years import Years, read_evaluation_years
from iquitos_citylearn.params import Params
from iquitos_citylearn.rollout import Rollout, roll_out_years
from iquitos_citylearn.stages.baseline import OPTIMUM, optimum_policy
from iquitos_citylearn.stages.evaluate import model_file
from iquitos_citylearn.stages.folders import DATA, METRICS
from iquitos_citylearn.stages.rules import rule_policy


def trace_policy(name: str, params: Params) -> Path:
    """Write the trace of a policy's headline year (an agent's: of its median seed) again; return where it is."""
    rollout, years = run_again(name, params)
    path = METRICS / "simulations" / f"trace_{name.upper()}.csv"
    write_trace(path, rollout, years)
    return path


def run_again(name: str, params: Params) -> tuple[Rollout, Years]:
    """Return the headline year of a policy, and the years that it was run beside."""
    if name == OPTIMUM:
        years = read_evaluation_years(params, DATA, "raw")
        return roll_out_years(optimum_policy(years), years.setting)[HEADLINE], years
    if name in RULES:
        years = read_evaluation_years(params, DATA, RULES[name].action_mapping)
        return roll_out_years(rule_policy(name, params, years.setting), years.setting)[HEADLINE], years
    years = read_evaluation_years(params, DATA, params.agent(name).action_mapping)
    seed = read_json(METRICS / f"result_{name.upper()}.json")["seed"]
    return roll_out_years(read_model(name, model_file(name, seed)), years.setting)[HEADLINE], years
