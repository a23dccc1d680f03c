"""The candidates of an agent's evaluation: the trained model of each seed, and the untrained network of the first.

This module imports torch and Stable-Baselines3, so only processes that run candidates import it.
"""

from pathlib import Path
from typing import Any

from iquitos_citylearn.agents.algorithms import make_model, read_model
from iquitos_citylearn.agents.policies import PerChargerPolicy, PerChargerSACPolicy
from iquitos_citylearn.env.vec_env import ChargingVecEnv
from iquitos_citylearn.env.year import Years
from iquitos_citylearn.evaluation.candidates import Candidate, CandidateRun, run_candidate
from iquitos_citylearn.evaluation.captured_share import read_references
from iquitos_citylearn.evaluation.years import read_all_years
from iquitos_citylearn.params import Params
from iquitos_citylearn.runtime.folders import DATA, REFERENCES
from iquitos_citylearn.runtime.process_memory import return_free_memory
from iquitos_citylearn.training.seed import make_deterministic


def run_trained(agent: str, seed: int, model: Path, record: dict[str, Any], params: Params) -> CandidateRun:
    """Run the trained model of a seed over the evaluation years and, after them, the training years."""
    make_deterministic(seed)
    policy = read_model(params.agent(agent).algorithm, model)
    years = _years(agent, params)
    return run_candidate(Candidate(seed, policy, record), years, read_references(REFERENCES, years.seeds))


def run_untrained(agent: str, params: Params) -> list[dict[str, Any]]:
    """Run the untrained network of the first seed over the same years; return its figures of each."""
    agent_params = params.agent(agent)
    seed = agent_params.seeds[0]
    make_deterministic(seed)
    years = _years(agent, params)
    env = ChargingVecEnv(years.setting, agent_params.n_envs, seed)
    policy = make_model(agent, agent_params, params.environment, env, seed)
    return run_candidate(Candidate(seed, policy, {}), years, read_references(REFERENCES, years.seeds)).figures


def run_imitated(agent: str, seed: int, model: Path, params: Params) -> list[dict[str, Any]]:
    """Run the trained model of a seed over the same years, its battery as imitation left it; return the figures."""
    make_deterministic(seed)
    trained = read_model(params.agent(agent).algorithm, model)
    policy: PerChargerPolicy | PerChargerSACPolicy = trained.policy  # type: ignore[assignment]  # those imitate
    policy.shared_actor().forget_battery()
    years = _years(agent, params)
    return run_candidate(Candidate(seed, trained, {}), years, read_references(REFERENCES, years.seeds)).figures


def _years(agent: str, params: Params) -> Years:
    years = read_all_years(params, DATA, params.agent(agent).actions)
    return_free_memory()  # of their making, and of the candidate before
    return years
