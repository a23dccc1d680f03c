"""Stage evaluate@<agent>: every trained seed over the evaluation years, beside what is owed to others than learning."""

from functools import partial

from iquitos_citylearn.evaluation import CandidateRun, certify_and_write, evaluation_of
from iquitos_citylearn.evaluation_years import SCHEMA, read_evaluation_years
from iquitos_citylearn.params import Params
from iquitos_citylearn.processes import run_in_processes
from iquitos_citylearn.references import read_best_constants, read_references
from iquitos_citylearn.stages.folders import DATA, METRICS, REFERENCES
from iquitos_citylearn.year_figures import mean_figures

CANDIDATES = "iquitos_citylearn.stages.candidates"
"""What a process that runs candidates imports."""
UNTRAINED = None
"""In the place of a seed."""


def evaluate_agent(agent: str, params: Params) -> None:
    """Write result, time series and trace of an agent; its candidates are run in processes side by side."""
    agent_params = params.agent(agent)
    run = partial(_run_candidate, agent=agent, params=params)
    *trained, untrained = run_in_processes(run, (*agent_params.seeds, UNTRAINED), CANDIDATES)
    years = read_evaluation_years(params, DATA, agent_params.action_mapping)
    evaluation = evaluation_of(agent.upper(), trained, years, read_references(REFERENCES, years.seeds))
    constants = read_best_constants(REFERENCES, agent_params.action_mapping)
    extra = {
        "untrained": mean_figures(untrained.figures[: len(years.seeds)]),
        "best_constant": constants["co2"],
        "best_constant_cost": constants["cost"],
        "training_years": mean_figures(evaluation.further_runs),
    }
    del trained, untrained  # but for the median
    certify_and_write(evaluation, METRICS, schema=DATA / SCHEMA, extra=extra)


def _run_candidate(seed: int | None, agent: str, params: Params) -> CandidateRun:
    from iquitos_citylearn.stages.candidates import run_trained, run_untrained  # noqa: PLC0415 - only where it is needed

    return run_untrained(agent, params) if seed is UNTRAINED else run_trained(agent, seed, params)
