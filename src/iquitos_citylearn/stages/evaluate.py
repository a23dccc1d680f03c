"""Stage evaluate@<agent>: every trained seed over the evaluation years, with the untrained network and constants."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from iquitos_citylearn.evaluation.candidates import CandidateRun, certify_and_write, evaluation_of
from iquitos_citylearn.evaluation.captured_share import read_references
from iquitos_citylearn.evaluation.judged import JUDGED
from iquitos_citylearn.evaluation.references import actions_at, read_best_constants
from iquitos_citylearn.evaluation.year_figures import mean_figures
from iquitos_citylearn.evaluation.years import SCHEMA, read_evaluation_years
from iquitos_citylearn.params import Params
from iquitos_citylearn.policies.register import policy_named
from iquitos_citylearn.runtime.artifacts import ArtifactError, read_json
from iquitos_citylearn.runtime.folders import DATA, METRICS, MODELS, REFERENCES, RUNS, model_file
from iquitos_citylearn.runtime.fork_server import CANDIDATES
from iquitos_citylearn.runtime.processes import process_pool


def evaluate_agent(agent: str, params: Params) -> None:
    """Write result, time series and trace of an agent; its candidates are run in processes side by side."""
    agent_params = params.agent(agent)
    records = _read_records(agent, agent_params.seeds)
    models = {seed: model_file(agent, seed) for seed in records}
    constants = read_best_constants(REFERENCES, actions_at(params.site, agent_params.actions))
    with process_pool(CANDIDATES) as pool:
        tasks = [pool.submit(_run_trained, agent, seed, models[seed], records[seed], params) for seed in records]
        untrained = pool.submit(_run_untrained, agent, params)
        imitated = None
        if agent_params.imitation is not None and params.site.bess_dispatch == "agent":
            first = agent_params.seeds[0]
            imitated = pool.submit(_run_imitated, agent, first, models[first], params)
        runs = [task.result() for task in tasks]
        figures_untrained = untrained.result()
        figures_imitated = imitated.result() if imitated is not None else []
    years = read_evaluation_years(params, DATA, agent_params.actions)
    evaluation = evaluation_of(policy_named(agent, params), runs, years, read_references(REFERENCES, years.seeds))
    del tasks, runs  # but for the median's
    extra = {
        **_built_on(params, agent),
        "untrained": mean_figures(figures_untrained[: len(years.seeds)]),
        **({"imitated": mean_figures(figures_imitated[: len(years.seeds)])} if figures_imitated else {}),
        **{judged.best_constant: constants[name] for name, judged in JUDGED.items()},
        "training_years": mean_figures(evaluation.further_runs),
    }
    certify_and_write(evaluation, METRICS, run_folder=RUNS, schema=DATA / SCHEMA, extra=extra)


def _read_records(agent: str, seeds: Iterable[int]) -> dict[int, dict[str, Any]]:
    """Return what was trained, by seed."""
    path = MODELS / agent / "training.json"
    content = read_json(path)
    for seed in seeds:
        if f"seed_{seed}" not in content:
            raise ArtifactError(f"{path}: says nothing of seed {seed}; `dvc repro train_{agent}` trains it")
    return {seed: content[f"seed_{seed}"] for seed in seeds}


def _run_trained(agent: str, seed: int, model: Path, record: dict[str, Any], params: Params) -> CandidateRun:
    from iquitos_citylearn.evaluation.trained import run_trained  # noqa: PLC0415 - only where it is needed

    return run_trained(agent, seed, model, record, params)


def _built_on(params: Params, agent: str) -> dict[str, str]:
    """Return the rule that the meaning of an agent's actions builds on, where there is one."""
    offsets_level = params.site.bess_dispatch == "agent" and params.agent(agent).bess_mapping == "rule_offset"
    return {"built_on": "level"} if offsets_level else {}


def _run_imitated(agent: str, seed: int, model: Path, params: Params) -> list[dict[str, Any]]:
    from iquitos_citylearn.evaluation.trained import run_imitated  # noqa: PLC0415 - only where it is needed

    return run_imitated(agent, seed, model, params)


def _run_untrained(agent: str, params: Params) -> list[dict[str, Any]]:
    from iquitos_citylearn.evaluation.trained import run_untrained  # noqa: PLC0415 - only where it is needed

    return run_untrained(agent, params)
