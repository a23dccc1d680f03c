"""Stage evaluate@<agent>: every trained seed over the evaluation years, beside what is owed to others than learning."""

from functools import partial
from pathlib import Path
from typing import Any

from iquitos_citylearn.agents.algorithms import make_model, read_model
from iquitos_citylearn.agents.training import make_deterministic
from iquitos_citylearn.artifacts import read_json
from iquitos_citylearn.env.vec_env import ChargingVecEnv
from iquitos_citylearn.evaluation import Candidate, certify_and_write, run_candidates, runs_of
from iquitos_citylearn.evaluation_years import SCHEMA, Years, read_evaluation_years, read_training_years
from iquitos_citylearn.params import Params
from iquitos_citylearn.processes import beside
from iquitos_citylearn.references import read_best_constants, read_references
from iquitos_citylearn.rollout import roll_out_years
from iquitos_citylearn.stages.folders import DATA, METRICS, MODELS, REFERENCES
from iquitos_citylearn.year_figures import mean_figures


def evaluate_agent(agent: str, params: Params) -> None:
    """Write result, time series and trace of an agent; its training years are run in another process meanwhile."""
    with beside(partial(_on_training_years, params=params), agent) as training_years:
        action_mapping = params.agent(agent).action_mapping
        years = read_evaluation_years(params, DATA, action_mapping)
        constants = read_best_constants(REFERENCES, action_mapping)
        references = read_references(REFERENCES, years.seeds)
        untrained = _untrained(agent, params, years)
        evaluation = run_candidates(agent.upper(), _candidates(agent, params), years, references)
        extra = {
            "untrained": untrained,
            "best_constant": constants["co2"],
            "best_constant_cost": constants["cost"],
            "training_years": training_years.result(),
        }
    certify_and_write(agent.upper(), evaluation, years, references, METRICS, schema=DATA / SCHEMA, extra=extra)


def _candidates(agent: str, params: Params) -> list[Candidate]:
    record = read_json(MODELS / agent / "training.json")
    return [
        Candidate(seed, read_model(agent, model_file(agent, seed)), record[f"seed_{seed}"])
        for seed in params.agent(agent).seeds
    ]


def model_file(agent: str, seed: int) -> Path:
    """Return where the model of a seed is."""
    return MODELS / agent / f"seed_{seed}.zip"


def _untrained(agent: str, params: Params, years: Years) -> dict[str, Any]:
    """Return the mean figures of the agent's network as its first seed starts from it."""
    agent_params = params.agent(agent)
    seed = agent_params.seeds[0]
    make_deterministic(seed)
    model = make_model(
        agent, agent_params, params.environment, ChargingVecEnv(years.setting, agent_params.n_envs, seed), seed
    )
    return _mean_over_years([Candidate(seed, model, {})], years)


def _on_training_years(agent: str, params: Params) -> dict[str, Any]:
    """Return the agent's mean figures over the years that it was trained on."""
    agent_params = params.agent(agent)
    make_deterministic(agent_params.seeds[0])
    return _mean_over_years(_candidates(agent, params), read_training_years(params, DATA, agent_params.action_mapping))


def _mean_over_years(candidates: list[Candidate], years: Years) -> dict[str, Any]:
    references = read_references(REFERENCES, years.seeds)
    runs = []
    for candidate in candidates:
        runs += runs_of(candidate.seed, roll_out_years(candidate.policy, years.setting), years, references)
    return mean_figures(runs)
