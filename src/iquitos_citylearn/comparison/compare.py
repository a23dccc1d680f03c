"""All policies side by side: what there is to gain, who gains how much of it, and how sure that is."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from iquitos_citylearn.comparison.seed_statistics import Resampling, probability_of_improvement, summarise_scores
from iquitos_citylearn.evaluation.key_figures import COMPARED, DIFFERENCES, KEY_FIGURES
from iquitos_citylearn.evaluation.results import COMPLETE, text_file
from iquitos_citylearn.policies.register import UNCONTROLLED, Kind
from iquitos_citylearn.runtime.artifacts import ArtifactError, read_json
from iquitos_citylearn.site.model import FloatArray

BESIDE_AN_AGENT = ("untrained", "best_constant", "best_constant_cost", "training_years")
CONSTANTS = {"co2": "best_constant", "cost": "best_constant_cost"}
IMPROVEMENT = KEY_FIGURES["adjusted.co2_kg"].name
"""The figure of which less is an improvement: CO2 with what cars lacked imported after all."""


def read_results(files: Iterable[Path]) -> dict[str, dict[str, Any]]:
    """Read complete results, in the order of the files, by the policy's name.

    Raises
    ------
    ArtifactError
        If one is missing, unreadable or not complete; names every such file.
    """
    results, problems = read_present(files)
    if problems:
        raise ArtifactError("nothing was compared:\n  " + "\n  ".join(problems.values()))
    return results


def read_present(files: Iterable[Path]) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Return the complete results by the policy's name, and by file name why each of the others is none."""
    results, problems = {}, {}
    for file in files:
        try:
            content = _read_complete(file)
        except ArtifactError as error:
            problems[file.name] = str(error)
        else:
            results[str(content["policy"])] = content
    return results, problems


def _read_complete(file: Path) -> dict[str, Any]:
    if text_file(file).exists():
        raise ArtifactError(f"{file}: could not be written; {text_file(file)} says why")
    content = read_json(file)
    if content.get("status") != COMPLETE:
        raise ArtifactError(f"{file}: status is {content.get('status')!r}, not {COMPLETE!r}")
    for key in ("policy", "kind", "runs"):
        if not content.get(key):
            raise ArtifactError(f"{file}: has no {key}")
    return content


def compare(results: Mapping[str, Mapping[str, Any]], resampling: Resampling) -> dict[str, Any]:
    """Compare results.

    Parameters
    ----------
    results : mapping
        Complete results by policy, as `evaluation.candidates.certify_and_write` writes them.
    resampling : Resampling
        How intervals over seeds are found.

    Returns
    -------
    dict
        `resampling`: resamples, level of the intervals, seed. `to_gain`: CO2 [kg] and cost [USD] a year between
        charging at once and the optimum, service-adjusted, and their share of the former, means over the evaluation
        years. `policies`: for each its `kind`, every key figure over seeds and years
        (`seed_statistics.summarise_scores`; a figure that some run lacks is left out), `n_seeds`, `n_years`, the
        figures of the headline year of its median seed, the differences of means to charging at once and to the first
        agent (negative: less), the probability of improvement over every other policy, the steps that CityLearn
        replayed, and for an agent `untrained`, `best_constant` (for CO2), `best_constant_cost`, `training_years`, and
        `learning_gain_co2` and `learning_gain_cost`, its shares above those of the best constants.
    """
    return {
        "resampling": asdict(resampling),
        "to_gain": _to_gain(results),
        "policies": {name: _compared(name, results, resampling) for name in results},
    }


def _compared(name: str, results: Mapping[str, Mapping[str, Any]], resampling: Resampling) -> dict[str, Any]:
    result = results[name]
    scores = {figure: _scores(result["runs"], figure) for figure in COMPARED}
    known = {figure: values for figure, values in scores.items() if values is not None}
    n_seeds, n_years = next(iter(known.values())).shape
    compared: dict[str, Any] = {"kind": result["kind"], "n_seeds": n_seeds, "n_years": n_years}
    compared |= {
        KEY_FIGURES[figure].flat_name: summarise_scores(values, resampling) for figure, values in known.items()
    }
    compared["headline"] = {
        KEY_FIGURES[figure].flat_name: value for figure in COMPARED if (value := _figure(result, figure)) is not None
    }
    compared |= _differences(name, results)
    compared["improvement_over"] = _improvements(name, results, resampling)
    compared["replayed_steps"] = {part: entry["n_steps"] for part, entry in result["certification"].items()}
    compared |= {key: _numbers(result[key]) for key in BESIDE_AN_AGENT if key in result}
    for gain, constant in CONSTANTS.items():
        share = result.get(constant, {}).get(f"captured_share_{gain}")
        if share is not None and f"captured_share_{gain}" in compared:
            compared[f"learning_gain_{gain}"] = compared[f"captured_share_{gain}"]["mean"] - share
    return compared


def _scores(runs: Sequence[Mapping[str, Any]], figure: str) -> FloatArray | None:
    """Return a figure of every run, shape (n_seeds, n_years); None if a run lacks it."""
    by_seed: dict[Any, list[float | None]] = {}
    for run in runs:
        by_seed.setdefault(run.get("seed"), []).append(_figure(run, figure))
    if any(value is None for values in by_seed.values() for value in values):
        return None
    return np.array(list(by_seed.values()), dtype=np.float64)


def _figure(run: Mapping[str, Any], name: str) -> float | None:
    value: Any = run
    for part in name.split("."):
        value = value[part]
    return None if value is None else float(value)


def _differences(name: str, results: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    differences = {}
    for reference in _reference_policies(results):
        if reference == name:
            continue
        pairs = {
            key: (_scores(results[name]["runs"], key), _scores(results[reference]["runs"], key)) for key in DIFFERENCES
        }
        differences[f"minus_{reference}"] = {
            KEY_FIGURES[key].flat_name: float(mine.mean() - other.mean())
            for key, (mine, other) in pairs.items()
            if mine is not None and other is not None
        }
    return differences


def _reference_policies(results: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the policies to which differences are stated: charging at once, and the first agent."""
    agents = [name for name, result in results.items() if result["kind"] == Kind.AGENT]
    return [UNCONTROLLED] * (UNCONTROLLED in results) + agents[:1]


def _improvements(
    name: str, results: Mapping[str, Mapping[str, Any]], resampling: Resampling
) -> dict[str, dict[str, float]]:
    """Return the probability of improvement over every policy whose runs pair with this one's."""
    mine = _scores(results[name]["runs"], IMPROVEMENT)
    improvements = {}
    for other, result in results.items():
        theirs = _scores(result["runs"], IMPROVEMENT)
        if other == name or mine is None or theirs is None or len(theirs) not in {1, len(mine)}:
            continue
        improvements[other] = probability_of_improvement(-mine, -theirs, resampling)
    return improvements


def _to_gain(results: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Return what the optimum saves against charging at once; nothing where one of them is not compared."""
    optima = [name for name, result in results.items() if result["kind"] == Kind.OPTIMUM]
    if UNCONTROLLED not in results or not optima:
        return {}
    gain: dict[str, float] = {}
    for figure in ("co2_kg", "cost_usd"):
        base, best = (_mean_reference(results[name], figure) for name in (UNCONTROLLED, optima[0]))
        gain |= {figure: base - best, f"{figure}_share": (base - best) / base if base else 0.0}
    return gain


def _mean_reference(result: Mapping[str, Any], figure: str) -> float:
    return fmean(run["adjusted"][figure] for run in result["runs"])


def _numbers(figures: Mapping[str, float | None]) -> dict[str, float]:
    return {name: value for name, value in figures.items() if value is not None}
