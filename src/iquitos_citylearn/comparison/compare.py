"""The comparison of all policies: the possible gain, the share that each policy captures, and how sure that is."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from iquitos_citylearn.comparison.gains import find_gains, headline_gains
from iquitos_citylearn.comparison.seed_statistics import Resampling, probability_of_improvement, summarise_scores
from iquitos_citylearn.evaluation.captured_share import Reference
from iquitos_citylearn.evaluation.judged import JUDGED, Judged
from iquitos_citylearn.evaluation.key_figures import COMPARED, DIFFERENCES, KEY_FIGURES
from iquitos_citylearn.evaluation.results import COMPLETE, text_file
from iquitos_citylearn.policies.register import UNCONTROLLED, Kind
from iquitos_citylearn.runtime.artifacts import ArtifactError, read_json
from iquitos_citylearn.site.model import FloatArray

BESIDE_AN_AGENT = ("untrained", "imitated", *(judged.best_constant for judged in JUDGED.values()), "training_years")
MONTH_PEAKS = KEY_FIGURES["month_peaks_kw"].name


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


Results = Mapping[str, Mapping[str, Any]]


def compare(
    results: Results, references: Mapping[int, Reference], resampling: Resampling, little_gain_share: float
) -> dict[str, Any]:
    """Compare results.

    Parameters
    ----------
    results : mapping
        Complete results by policy, as `evaluation.candidates.certify_and_write` writes them.
    references : mapping of int to Reference
        References of the results' years, by the year's seed.
    resampling : Resampling
        How intervals over seeds are found.
    little_gain_share : float
        Share of the figure of charging at once below which a gain is little.

    Returns
    -------
    dict
        `resampling`: resamples, level of the intervals, seed. `n_steps` of a year. `to_gain`: of each objective a
        `gains.Gain`. `headline_to_gain`: the same in the headline year, peak import and reward included. `policies`:
        for each its `kind`, every key figure over seeds and years (`seed_statistics.summarise_scores`; years that lack
        it do not count, and a figure that no year or only some seeds have is left out), `n_seeds`, `n_years`, what it
        `saved` of each objective, the mean highest imports of the months, the figures of the headline year of its
        median seed, the differences of means to charging at once and to the first agent (negative: less), by objective
        the probability of improvement over every other policy, the steps that CityLearn replayed, and for an agent
        `built_on`, `untrained`, `imitated`, `best_constant` (for CO2), `best_constant_cost`, `training_years`,
        `learning_gain_co2` and `learning_gain_cost`: its shares above the highest of those of the untrained network, of
        the best constant action for the objective and of the rule that its actions build on.
    """
    policies = {name: _compared(name, results, references, resampling) for name in results}
    gains = find_gains(policies, references.values(), little_gain_share)
    of_headline = headline_gains(results, little_gain_share)
    return {
        "resampling": asdict(resampling),
        "n_steps": max((run["n_steps"] for result in results.values() for run in result["runs"]), default=0),
        "to_gain": {name: asdict(gain) for name, gain in gains.items()},
        "headline_to_gain": {name: asdict(gain) for name, gain in of_headline.items()},
        "policies": policies,
    }


def _compared(
    name: str, results: Results, references: Mapping[int, Reference], resampling: Resampling
) -> dict[str, Any]:
    result = results[name]
    scores = {figure: _scores(result["runs"], figure) for figure in COMPARED}
    known = {figure: values for figure, values in scores.items() if values is not None}
    n_seeds, n_years = next(iter(known.values())).shape
    compared: dict[str, Any] = {"kind": result["kind"], "n_seeds": n_seeds, "n_years": n_years}
    compared["saved"] = {judged.figure: _saved(result["runs"], references, judged) for judged in JUDGED.values()}
    compared |= {
        KEY_FIGURES[figure].flat_name: summarise_scores(values, resampling) for figure, values in known.items()
    }
    compared[MONTH_PEAKS] = np.mean([run[MONTH_PEAKS] for run in result["runs"]], axis=0).tolist()
    compared["headline"] = {
        KEY_FIGURES[figure].flat_name: value for figure in COMPARED if (value := _figure(result, figure)) is not None
    }
    compared |= _differences(name, results)
    compared["improvement_over"] = {
        objective: _improvements(name, results, references, judged, resampling) for objective, judged in JUDGED.items()
    }
    compared["replayed_steps"] = {part: entry["n_steps"] for part, entry in result["certification"].items()}
    compared |= {key: result[key] for key in ("built_on",) if key in result}
    compared |= {key: _numbers(result[key]) for key in BESIDE_AN_AGENT if key in result}
    for judged in JUDGED.values():
        without = [result.get(key, {}).get(judged.share) for key in ("untrained", judged.best_constant)]
        without.append(results.get(str(result.get("built_on")), {}).get("mean", {}).get(judged.share))
        known_shares = [share for share in without if share is not None]
        if known_shares and judged.share in compared:
            compared[judged.learning_gain] = compared[judged.share]["mean"] - max(known_shares)
    return compared


def _saved(runs: Sequence[Mapping[str, Any]], references: Mapping[int, Reference], judged: Judged) -> float:
    """Return what a policy saves of an objective against charging at once, service-adjusted, mean over its runs."""
    return fmean(references[run["year"]].ends(judged).uncontrolled - run["adjusted"][judged.figure] for run in runs)


def _scores(runs: Sequence[Mapping[str, Any]], figure: str) -> FloatArray | None:
    """Return a figure of every run in the years that have it, shape (n_seeds, n_years).

    None where no year has it, or where a year has it for some seeds only.
    """
    by_seed: dict[Any, list[float | None]] = {}
    for run in runs:
        by_seed.setdefault(run.get("seed"), []).append(_figure(run, figure))
    scores = np.array(list(by_seed.values()), dtype=np.float64)  # None becomes NaN
    scores = scores[:, ~np.isnan(scores).all(axis=0)]
    return None if np.isnan(scores).any() or not scores.size else scores


def _figure(run: Mapping[str, Any], name: str) -> float | None:
    value: Any = run
    for part in name.split("."):
        value = value.get(part)
    return None if value is None else float(value)


def _differences(name: str, results: Results) -> dict[str, dict[str, float]]:
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


def _reference_policies(results: Results) -> list[str]:
    """Return the policies to which differences are stated: charging at once, and the first agent."""
    agents = [name for name, result in results.items() if result["kind"] == Kind.AGENT]
    return [UNCONTROLLED] * (UNCONTROLLED in results) + agents[:1]


def _improvements(
    name: str, results: Results, references: Mapping[int, Reference], judged: Judged, resampling: Resampling
) -> dict[str, dict[str, float]]:
    """Return the probability of improvement over every policy whose runs pair with this one's.

    Less is an improvement, with what cars lacked imported after all. What rounding can make is none.
    """
    figure = f"adjusted.{judged.figure}"
    mine = _scores(results[name]["runs"], figure)
    years = dict.fromkeys(run["year"] for run in results[name]["runs"])
    resolution = np.array([references[year].ends(judged).resolution for year in years])
    improvements = {}
    for other, result in results.items():
        theirs = _scores(result["runs"], figure)
        if other == name or mine is None or theirs is None or len(theirs) not in {1, len(mine)}:
            continue
        improvements[other] = probability_of_improvement(-mine, -theirs, resolution, resampling)
    return improvements


def _numbers(figures: Mapping[str, float | None]) -> dict[str, float]:
    return {name: value for name, value in figures.items() if value is not None}
