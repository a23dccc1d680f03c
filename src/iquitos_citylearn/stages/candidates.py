"""The candidates of an agent's evaluation: what each seed has trained, and the network that the first one began with.

It imports torch and Stable-Baselines3, so only processes that run candidates import it.
"""

from pathlib import Path

from iquitos_citylearn.agents.algorithms import make_model, read_model
from iquitos_citylearn.agents.training import make_deterministic
from iquitos_citylearn.artifacts import read_json
from iquitos_citylearn.env.vec_env import ChargingVecEnv
from iquitos_citylearn.evaluation import Candidate, CandidateRun, run_candidate
from iquitos_citylearn.evaluation_years import Years, read_all_years
from iquitos_citylearn.params import Params
from iquitos_citylearn.process_memory import return_free_memory
from iquitos_citylearn.references import read_references
from iquitos_citylearn.stages.folders import DATA, MODELS, REFERENCES


def run_trained(agent: str, seed: int, params: Params) -> CandidateRun:
    """Run what a seed has trained over the evaluation years and, after them, the training years."""
    record = read_json(MODELS / agent / "training.json")[f"seed_{seed}"]
    make_deterministic(seed)
    model = read_model(agent, model_file(agent, seed))
    years = _years(agent, params)
    return run_candidate(Candidate(seed, model, record), years, read_references(REFERENCES, years.seeds))


def run_untrained(agent: str, params: Params) -> CandidateRun:
    """Run the network that the first seed began with over the same years."""
    agent_params = params.agent(agent)
    seed = agent_params.seeds[0]
    make_deterministic(seed)
    years = _years(agent, params)
    env = ChargingVecEnv(years.setting, agent_params.n_envs, seed)
    model = make_model(agent, agent_params, params.environment, env, seed)
    return run_candidate(Candidate(seed, model, {}), years, read_references(REFERENCES, years.seeds))


def model_file(agent: str, seed: int) -> Path:
    """Return where the model of a seed is."""
    return MODELS / agent / f"seed_{seed}.zip"


def _years(agent: str, params: Params) -> Years:
    years = read_all_years(params, DATA, params.agent(agent).action_mapping)
    return_free_memory()  # of their making, and of the candidate before
    return years
