"""Stage evaluate@<agent>: every trained seed over the evaluation years, beside what is owed to others than learning."""

from pathlib import Path

from iquitos_citylearn.agents.algorithms import make_model, read_model
from iquitos_citylearn.agents.training import make_deterministic
from iquitos_citylearn.artifacts import read_json
from iquitos_citylearn.env.replay import begin_replays
from iquitos_citylearn.env.vec_env import ChargingVecEnv
from iquitos_citylearn.evaluation import HEADLINE, Candidate, certify_and_write, run_candidate, run_candidates
from iquitos_citylearn.evaluation_years import SCHEMA, Years, n_evaluation_years, read_all_years
from iquitos_citylearn.params import Params
from iquitos_citylearn.references import read_best_constants, read_references
from iquitos_citylearn.stages.folders import DATA, METRICS, MODELS, REFERENCES
from iquitos_citylearn.year_figures import mean_figures


def evaluate_agent(agent: str, params: Params) -> None:
    """Write result, time series and trace of an agent."""
    agent_params = params.agent(agent)
    record = read_json(MODELS / agent / "training.json")
    candidates = [
        Candidate(seed, read_model(agent, model_file(agent, seed)), record[f"seed_{seed}"])
        for seed in agent_params.seeds
    ]
    years, n_counted = read_all_years(params, DATA, agent_params.action_mapping), n_evaluation_years(params)
    begin_replays(years.sites[HEADLINE])
    references = read_references(REFERENCES, years.seeds)
    constants = read_best_constants(REFERENCES, agent_params.action_mapping)
    untrained = run_candidate(f"{agent.upper()} untrained", _untrained(agent, params, years), years, references)[1]
    evaluation = run_candidates(agent.upper(), candidates, years, references, n_counted)
    extra = {
        "untrained": mean_figures(untrained[:n_counted]),
        "best_constant": constants["co2"],
        "best_constant_cost": constants["cost"],
        "training_years": mean_figures(evaluation.further_runs),
    }
    certify_and_write(evaluation, METRICS, schema=DATA / SCHEMA, extra=extra)


def model_file(agent: str, seed: int) -> Path:
    """Return where the model of a seed is."""
    return MODELS / agent / f"seed_{seed}.zip"


def _untrained(agent: str, params: Params, years: Years) -> Candidate:
    """Return the agent's network as its first seed starts from it."""
    agent_params = params.agent(agent)
    seed = agent_params.seeds[0]
    make_deterministic(seed)
    env = ChargingVecEnv(years.setting, agent_params.n_envs, seed)
    return Candidate(seed, make_model(agent, agent_params, params.environment, env, seed), {})
