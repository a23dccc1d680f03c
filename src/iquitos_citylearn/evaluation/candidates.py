"""Evaluation of a policy: every seed over every evaluation year on the twin, certification, result files."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from iquitos_citylearn.env.observation import observation_names
from iquitos_citylearn.env.physics import dispatches_bess
from iquitos_citylearn.env.replay import replay_executor
from iquitos_citylearn.env.reward import TERMS
from iquitos_citylearn.env.year import Year, Years
from iquitos_citylearn.evaluation.captured_share import Reference, captured_shares
from iquitos_citylearn.evaluation.certification import SAMPLED_STEPS, CertificationError, certify, certify_sample
from iquitos_citylearn.evaluation.key_figures import KEY_FIGURES
from iquitos_citylearn.evaluation.kpis import make_timeseries
from iquitos_citylearn.evaluation.references import bound_out_of_reach
from iquitos_citylearn.evaluation.results import COMPLETE, write_outputs
from iquitos_citylearn.evaluation.year_figures import mean_figures, year_figures
from iquitos_citylearn.policies.policy import Policy
from iquitos_citylearn.policies.register import PolicyEntry
from iquitos_citylearn.policies.rollout import Rollout, Trace, trace_years
from iquitos_citylearn.runtime.artifacts import write_csv
from iquitos_citylearn.runtime.folders import result_file

logger = logging.getLogger(__name__)

HEADLINE, SAMPLED = 0, 1
"""Indices of the evaluation years that CityLearn replays: the headline year in full, the next one for some weeks."""


@dataclass(frozen=True)
class Candidate:
    """One seed of a policy.

    Attributes
    ----------
    seed : int or None
        Seed of the training; None for a rule without one.
    policy : Policy
        The policy.
    training : dict
        Record of the training (`timesteps`, `updates`, ...); empty for a rule.
    """

    seed: int | None
    policy: Policy
    training: dict[str, Any]


@dataclass(frozen=True)
class CandidateRun:
    """Figures of a candidate, and the rollouts that CityLearn replays.

    Attributes
    ----------
    training : dict
        `Candidate.training`.
    figures : list of dict
        Of every year in its order: seed, year, key figures, captured shares.
    headline, sampled : tuple of Rollout and Trace
        All of the headline year; the first weeks of another one.
    """

    training: dict[str, Any]
    figures: list[dict[str, Any]]
    headline: tuple[Rollout, Trace]
    sampled: tuple[Rollout, Trace]


@dataclass(frozen=True)
class Evaluation:
    """A policy, evaluated.

    Attributes
    ----------
    entry : PolicyEntry
        The policy.
    years : Years
        The evaluation years, the headline year first.
    references : mapping of int to Reference
        References by the seed of the year.
    runs : list of dict
        Figures of every seed in every evaluation year, the seeds in their order and the years in theirs.
    further_runs : list of dict
        The same of the years that were run with them (training years).
    median : CandidateRun
        The candidate with the median reward.
    """

    entry: PolicyEntry
    years: Years
    references: Mapping[int, Reference]
    runs: list[dict[str, Any]]
    further_runs: list[dict[str, Any]]
    median: CandidateRun


def run_candidate(candidate: Candidate, years: Years, references: Mapping[int, Reference]) -> CandidateRun:
    """Run a candidate over every year.

    Parameters
    ----------
    candidate : Candidate
        One seed of a policy.
    years : Years
        The evaluation years, the headline year first, and any other years after them. A network takes hardly longer
        to decide for more years at a time.
    references : mapping of int to Reference
        References by the seed of the year.

    Raises
    ------
    FloatingPointError
        If anything in a year is not finite.
    """
    rollouts, traces = trace_years(candidate.policy, years.setting, n_traced=max(HEADLINE, SAMPLED) + 1)
    named = {"seed": candidate.seed} if candidate.seed is not None else {}
    runs = []
    for rollout, year in zip(rollouts, years, strict=True):
        figures = year_figures(rollout, year)
        runs.append(named | {"year": year.seed} | figures | captured_shares(figures, references[year.seed]))
    headline = rollouts[HEADLINE].copy(), traces[HEADLINE].copy()
    sampled = rollouts[SAMPLED].copy(SAMPLED_STEPS), traces[SAMPLED].copy(SAMPLED_STEPS)
    return CandidateRun(candidate.training, runs, headline, sampled)


def evaluation_of(
    entry: PolicyEntry, candidate_runs: Iterable[CandidateRun], years: Years, references: Mapping[int, Reference]
) -> Evaluation:
    """Gather the runs of all candidates of a policy, one per seed.

    Parameters
    ----------
    entry : PolicyEntry
        The policy.
    candidate_runs : iterable of CandidateRun
        From `run_candidate`, over these years and any others after them.
    years : Years
        The evaluation years.
    references : mapping of int to Reference
        References by the seed of the year.

    Raises
    ------
    ValueError
        If a candidate was run over other years.
    """
    n_counted = len(years.seeds)
    runs, further, rewards, done = [], [], [], list(candidate_runs)
    for candidate_run in done:
        counted = candidate_run.figures[:n_counted]
        if (seeds := tuple(run["year"] for run in counted)) != years.seeds:
            raise ValueError(f"{entry.name} was run over the years {seeds}; it must be {years.seeds}")
        headline = counted[HEADLINE]
        logger.info("%s seed %s: %s", entry.name, headline.get("seed"), _in_short(headline))
        runs += counted
        further += candidate_run.figures[n_counted:]
        rewards.append(fmean(run["reward"]["total"] for run in counted))
    return Evaluation(entry, years, references, runs, further, done[median_index(rewards)])


def certify_and_write(
    evaluation: Evaluation,
    metrics_folder: Path,
    *,
    run_folder: Path,
    schema: Path,
    extra: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Certify the median candidate in CityLearn, and write result, time series and trace.

    Parameters
    ----------
    evaluation : Evaluation
        From `evaluation_of`.
    metrics_folder : Path
        Folder of `result_<NAME>.json` and `simulations/`.
    run_folder : Path
        Folder that holds the data set of the sampled year for as long as it is replayed.
    schema : Path
        Data set of the headline year. Where the register says so, the year is replayed in full, and its time series
        and trace are written.
    extra : mapping
        Further entries of the result.

    Raises
    ------
    CertificationError
        If CityLearn deviates from the twin, or can't replay it; the result is written and says so.
    OutputError
        If something can't be written as it should be. The rest is written, and `status` in the result says so.
    """
    name, median, headline = evaluation.entry.result_name, evaluation.median, evaluation.years[HEADLINE]
    certification, problem = _certified(evaluation, schema, run_folder / f"sampled_year_{name}")
    result: dict[str, Any] = {"status": "not certified" if problem else COMPLETE}
    result |= {"policy": evaluation.entry.name, "kind": evaluation.entry.kind.value}
    result |= median.figures[HEADLINE]
    result |= ({"training": median.training} if median.training else {}) | dict(extra)
    result |= {
        "mean": mean_figures(evaluation.runs),
        "reference": asdict(evaluation.references[headline.seed])
        | {"bound_out_of_reach": bound_out_of_reach(headline.site)},
        "certification": certification,
        "runs": evaluation.runs,
    } | ({"error": problem} if problem else {})
    tables: dict[Path, Callable[[Path], None]] = {}
    if evaluation.entry.replayed_in_full:
        series = make_timeseries(median.headline[0], headline)
        simulations = metrics_folder / "simulations"
        tables[simulations / f"timeseries_{name}.csv"] = lambda path: write_csv(path, series)
        tables[simulations / f"trace_{name}.csv"] = lambda path: write_trace(path, *median.headline, headline)
    write_outputs(result_file(name, metrics_folder), result, tables)
    if problem:
        raise CertificationError(f"{name}: {problem}; see the result")


def median_index(values: Sequence[float]) -> int:
    """Return the index of the median: of two middle values the lower one, of equal values the first."""
    return int(np.argsort(np.asarray(values), kind="stable")[(len(values) - 1) // 2])


def write_trace(path: Path, rollout: Rollout, trace: Trace, year: Year) -> None:
    """Write every step of a year.

    Columns are `obs_...`, one `action_<charger>` per charger as CityLearn takes it, `action_bess` where the agent
    dispatches the battery, and `reward_...`; numbers round-trip exactly (observations are float32).
    """
    chargers = [charger.name for charger in year.site.chargers]
    names = observation_names(year.setting.tables, year.setting.equipment, chargers)
    columns: dict[str, NDArray[Any]] = {f"obs_{name}": trace.observation[:, index] for index, name in enumerate(names)}
    columns |= {f"action_{name}": trace.charger_action[:, index] for index, name in enumerate(chargers)}
    if dispatches_bess(year.setting.equipment):
        columns["action_bess"] = trace.bess_action
    columns |= {f"reward_{term}": rollout.reward_terms[:, index] for index, term in enumerate(TERMS)}
    write_csv(path, pa.table({name: np.ascontiguousarray(values) for name, values in columns.items()}))


def _certified(evaluation: Evaluation, schema: Path, scratch: Path) -> tuple[dict[str, dict[str, Any]], str]:
    """Return the certification and a problem: CityLearn deviates, or can't replay (then nothing is certified)."""
    try:
        parts = _certify(evaluation, schema, scratch)
    except RuntimeError as error:
        return {}, f"CityLearn can't replay it: {error}"
    deviation = max(part["max_abs_deviation"] for part in parts.values())
    return parts, f"CityLearn deviates from the twin by up to {deviation!r}" if deviation else ""


def _certify(evaluation: Evaluation, schema: Path, scratch: Path) -> dict[str, dict[str, Any]]:
    median, headline, sampled = evaluation.median, evaluation.years[HEADLINE], evaluation.years[SAMPLED]
    if not evaluation.entry.replayed_in_full:
        return {"sampled": {"year": sampled.seed} | certify_sample(*median.sampled, sampled.site, scratch)}
    with replay_executor(headline.site) as executor:
        sample = executor.submit(certify_sample, *median.sampled, sampled.site, scratch)
        whole = certify(*median.headline, schema, headline.site, executor=executor)
        return {"headline": {"year": headline.seed} | whole, "sampled": {"year": sampled.seed} | sample.result()}


def _in_short(figures: Mapping[str, Any]) -> str:
    shown = [KEY_FIGURES[name] for name in ("co2_kg", "cost_usd", "peak_import_kw", "ev_unmet_kwh")]
    return ", ".join(f"{figure.label} {figure.text(figures[figure.name])}" for figure in shown)
