"""A tiny pipeline in one process, its outputs as hashes: data set, references, a plan, trainings, evaluations.

Years are evaluated on the twin alone, which equals CityLearn to the last bit (`tests/env`). One process, because an
emulator would start further ones on the real processor.
"""

import contextlib
import hashlib
import json
import math
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from iquitos_citylearn.agents.algorithms import read_model
from iquitos_citylearn.comparison.seed_statistics import Resampling, summarise_scores
from iquitos_citylearn.evaluation.trained import run_trained, run_untrained
from iquitos_citylearn.evaluation.years import read_evaluation_years
from iquitos_citylearn.optimum.optimiser import Optimiser
from iquitos_citylearn.params import Actions, Params, load_params
from iquitos_citylearn.runtime import processes
from iquitos_citylearn.runtime.folders import DATA, METRICS, MODELS, REFERENCES
from iquitos_citylearn.stages import build_dataset as dataset_stage
from iquitos_citylearn.stages import references as references_stage
from iquitos_citylearn.training.jobs import FINISHED, SeedJob
from iquitos_citylearn.training.sealed_file import read_sealed
from iquitos_citylearn.training.seed import train_seed
from tests.pipelines import ROOT

PARAMS = ROOT / "tests" / "golden" / "arithmetic.yaml"
SEED = 0


def tiny_run(folder: Path) -> dict[str, str]:
    """Run the pipeline in an empty folder; return a hash per output."""
    for module in (processes, references_stage):
        module.process_pool = lambda *_: contextlib.nullcontext(processes.SameProcess())  # type: ignore[assignment]
    params = load_params(PARAMS)
    with contextlib.chdir(folder):
        dataset_stage.build_dataset(params, DATA, METRICS)
        references_stage.write_references(params)
        found = {
            "data set": _of_files(DATA),
            "data set summary": _of_files(METRICS, "dataset.json"),
            "references": _of_files(METRICS, REFERENCES.name),
            "plan": _plan(params),
            "comparison": _comparison(params),
        }
        for agent in params.train.agents:
            found |= _trained(agent, params)
    return found


def hash_of(*parts: Any) -> str:
    """Return a short digest of arrays, by their bytes, and of whatever JSON can hold."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray | np.generic):
            digest.update(np.ascontiguousarray(part).tobytes())
        else:
            digest.update(part if isinstance(part, bytes) else json.dumps(part, default=float).encode())
    return digest.hexdigest()[:16]


def _plan(params: Params) -> str:
    year = read_evaluation_years(params, DATA, Actions("raw"))[0]
    optima = [Optimiser(year).optimum(objective) for objective in ("co2", "cost", "peak_import")]
    return hash_of(*(part for optimum in optima for part in (optimum.import_kwh, optimum.bess_kwh, optimum.bound)))


def _comparison(params: Params) -> str:
    chosen = params.evaluation
    resampling = Resampling(chosen.bootstrap_resamples, chosen.confidence_level, chosen.bootstrap_seed)
    scores = np.array([[math.sqrt(seed + year / 7) for year in range(3)] for seed in range(4)])
    return hash_of(summarise_scores(scores, resampling))


def _trained(agent: str, params: Params) -> dict[str, str]:
    job = SeedJob(
        agent=agent,
        seed=SEED,
        params=params,
        training_folder=DATA / "training",
        checkpoint_folder=Path("checkpoints", agent, f"seed_{SEED}"),
        status_file=Path("runs", f"{agent}.json"),
        checkpoint_period_s=math.inf,
    )
    train_seed(job, lambda: None, lambda: None)
    finished = read_sealed(job.checkpoint_folder / FINISHED)
    file = MODELS / agent / f"seed_{SEED}.zip"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(finished.payload)
    weights = read_model(params.agent(agent).algorithm, file).policy.state_dict().values()
    run = run_trained(agent, SEED, file, finished.header["record"], params)
    return {
        f"{agent}: weights": hash_of(*(weight.numpy() for weight in weights), finished.header["curve"]),
        f"{agent}: model file": hash_of(finished.payload),
        f"{agent}: evaluation": hash_of(run.figures, *_arrays(run.headline)),
        f"{agent}: evaluation, untrained": hash_of(run_untrained(agent, params)),
    }


def _arrays(series: Iterable[Any]) -> list[Any]:
    return [getattr(one, item.name) for one in series for item in fields(one)]


def _of_files(folder: Path, pattern: str = "**/*") -> str:
    paths = sorted(path for path in folder.glob(pattern) if path.is_file())
    return hash_of(*(part for path in paths for part in (path.as_posix(), path.read_bytes())))
