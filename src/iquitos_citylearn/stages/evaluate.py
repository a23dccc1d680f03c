"""Stage evaluate@<agent>: every trained seed on the headline year."""

from pathlib import Path

from iquitos_citylearn.agents.algorithms import read_model
from iquitos_citylearn.artifacts import read_json
from iquitos_citylearn.evaluation import Candidate, evaluate, read_headline_year, write_trace
from iquitos_citylearn.params import Params
from iquitos_citylearn.rollout import roll_out

SCHEMA = Path("data/site/schema.json")
METRICS_FOLDER = Path("metrics")


def evaluate_agent(agent: str, params: Params) -> None:
    """Write result, time series and trace of an agent."""
    agent_params = params.agent(agent)
    folder = Path("models") / agent
    record = read_json(folder / "training.json")
    candidates = [
        Candidate(seed, read_model(agent, folder / f"seed_{seed}.zip"), record[f"seed_{seed}"])
        for seed in agent_params.seeds
    ]
    year = read_headline_year(params, SCHEMA, agent_params.action_mapping)
    evaluate(agent.upper(), candidates, year, METRICS_FOLDER)


def trace_agent(agent: str, params: Params) -> Path:
    """Write the trace of an agent's median seed again, from its model; return where it is."""
    seed = read_json(METRICS_FOLDER / f"result_{agent.upper()}.json")["seed"]
    year = read_headline_year(params, SCHEMA, params.agent(agent).action_mapping)
    rollout = roll_out(read_model(agent, Path("models") / agent / f"seed_{seed}.zip"), year.setting)
    path = METRICS_FOLDER / "simulations" / f"trace_{agent.upper()}.csv"
    write_trace(path, rollout, year)
    return path
