"""Evaluation of a policy: every seed over every evaluation year on the twin, certified in CityLearn, and the files."""

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

from iquitos_citylearn.env.observation import forecast_hours, observation_names
from iquitos_citylearn.env.physics import dispatches_bess
from iquitos_citylearn.env.replay import replay_executor
from iquitos_citylearn.env.reward import TERMS
from iquitos_citylearn.evaluation.certification import SAMPLED_STEPS, CertificationError, certify, certify_sample
from iquitos_citylearn.evaluation.kpis import make_timeseries
from iquitos_citylearn.evaluation.references import bound_out_of_reach
from iquitos_citylearn.evaluation.results import COMPLETE, write_outputs
from iquitos_citylearn.evaluation.service_adjusted import Reference, captured_shares
from iquitos_citylearn.evaluation.year_figures import mean_figures, year_figures
from iquitos_citylearn.evaluation.years import Years
from iquitos_citylearn.policies.rollout import Rollout, Trace, trace_years
from iquitos_citylearn.policies.rules import Policy
from iquitos_citylearn.runtime.artifacts import write_csv

logger = logging.getLogger(__name__)

HEADLINE, SAMPLED = 0, 1
"""Indices of the evaluation years that CityLearn replays: the headline year in full, the next one for some weeks."""


@dataclass(frozen=True)
class Candidate:
    """One policy to evaluate.

    Attributes
    ----------
    seed : int or None
        Seed of the training; None for a rule without one.
    policy : Policy
        What decides.
    training : dict
        What was trained (`timesteps`, `updates`, ...); empty for a rule.
    """

    seed: int | None
    policy: Policy
    training: dict[str, Any]


@dataclass(frozen=True)
class CandidateRun:
    """What a candidate did, and what of it CityLearn replays.

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
    name : str
        Of the policy, in upper case, as in `result_SAC.json`.
    years : Years
        The evaluation years, the headline year first.
    references : mapping of int to Reference
        What there is to gain, by the seed of the year.
    runs, further_runs : list of dict
        Figures of every seed in every year that counts, the seeds in their order and the years in theirs; the same of
        the years that were run along.
    median : CandidateRun
        Of the candidate with the median reward.
    """

    name: str
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
        Of one seed.
    years : Years
        The evaluation years, the headline year first, and others to be run along: a network takes hardly longer to
        decide for more years at a time.
    references : mapping of int to Reference
        What there is to gain, by the seed of the year.

    Raises
    ------
    FloatingPointError
        If anything in a year is not finite.
    """
    rollouts, traces = trace_years(candidate.policy, years.setting, n_traced=max(HEADLINE, SAMPLED) + 1)
    named = {"seed": candidate.seed} if candidate.seed is not None else {}
    runs = []
    for index, rollout in enumerate(rollouts):
        figures = year_figures(rollout, years, index)
        shares = captured_shares(figures, references[years.seeds[index]])
        runs.append(named | {"year": years.seeds[index]} | figures | shares)
    headline = rollouts[HEADLINE].copy(), traces[HEADLINE].copy()
    sampled = rollouts[SAMPLED].copy(SAMPLED_STEPS), traces[SAMPLED].copy(SAMPLED_STEPS)
    return CandidateRun(candidate.training, runs, headline, sampled)


def evaluation_of(
    name: str, candidate_runs: Iterable[CandidateRun], years: Years, references: Mapping[int, Reference]
) -> Evaluation:
    """Gather what every candidate of a policy did, one per seed.

    Parameters
    ----------
    name : str
        Name of the policy.
    candidate_runs : iterable of CandidateRun
        From `run_candidate`, over these years and others after them.
    years : Years
        The years that count: the evaluation years.
    references : mapping of int to Reference
        What there is to gain in them, by the seed of the year.

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
            raise ValueError(f"{name} was run over the years {seeds}; it must be {years.seeds}")
        headline = counted[HEADLINE]
        logger.info("%s seed %s: %s", name, headline.get("seed"), _in_short(headline))
        runs += counted
        further += candidate_run.figures[n_counted:]
        rewards.append(fmean(run["reward"]["total"] for run in counted))
    return Evaluation(name, years, references, runs, further, done[median_index(rewards)])


def certify_and_write(
    evaluation: Evaluation,
    metrics_folder: Path,
    *,
    run_folder: Path,
    schema: Path | None,
    extra: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Certify the median candidate in CityLearn, and write result, time series and trace.

    Parameters
    ----------
    evaluation : Evaluation
        From `evaluation_of`.
    metrics_folder : Path
        Where `result_<name>.json` and `simulations/` go.
    run_folder : Path
        Where the data set of the sampled year is for as long as it is replayed.
    schema : Path or None
        Data set of the headline year: it is replayed in full, and its time series and trace are published. None: it is
        not, and they are not.
    extra : mapping
        What else the result holds.

    Raises
    ------
    CertificationError
        If CityLearn deviates from the twin, or can't replay it; the result is written and says so.
    OutputError
        If something can't be written as it should be; the rest is, and the result says what it is worth.
    """
    name, years, median = evaluation.name, evaluation.years, evaluation.median
    certification, problem = _certified(evaluation, schema, run_folder / f"sampled_year_{name}")
    result: dict[str, Any] = {"status": "not certified" if problem else COMPLETE, "agent": name}
    result |= median.figures[HEADLINE]
    result |= ({"training": median.training} if median.training else {}) | dict(extra)
    result |= {
        "mean": mean_figures(evaluation.runs),
        "reference": asdict(evaluation.references[years.seeds[HEADLINE]])
        | {"bound_out_of_reach": bound_out_of_reach(years.sites[HEADLINE])},
        "certification": certification,
        "runs": evaluation.runs,
    } | ({"error": problem} if problem else {})
    setting, site = years.setting_of(HEADLINE), years.sites[HEADLINE]
    tables: dict[Path, Callable[[Path], None]] = {}
    if schema is not None:
        series = make_timeseries(median.headline[0], setting, site, years.calendar_year)
        simulations = metrics_folder / "simulations"
        tables[simulations / f"timeseries_{name}.csv"] = lambda path: write_csv(path, series)
        tables[simulations / f"trace_{name}.csv"] = lambda path: write_trace(path, *median.headline, years)
    write_outputs(metrics_folder / f"result_{name}.json", result, tables)
    if problem:
        raise CertificationError(f"{name}: {problem}; see the result")


def median_index(values: Sequence[float]) -> int:
    """Return the index of the median; of two middle ones the lower, of equal ones the first."""
    return int(np.argsort(np.asarray(values), kind="stable")[(len(values) - 1) // 2])


def write_trace(path: Path, rollout: Rollout, trace: Trace, years: Years) -> None:
    """Write every step of the headline year.

    Columns are `obs_...`, one `action_<charger>` per charger as CityLearn takes it, `action_bess` where the agent
    dispatches the battery, and `reward_...`; numbers round-trip exactly (observations are float32).
    """
    chargers = [charger.name for charger in years.sites[HEADLINE].chargers]
    tables = years.setting.tables
    names = observation_names(forecast_hours(tables), chargers, tables.n_peak_entries)
    columns: dict[str, NDArray[Any]] = {f"obs_{name}": trace.observation[:, index] for index, name in enumerate(names)}
    columns |= {f"action_{name}": trace.charger_action[:, index] for index, name in enumerate(chargers)}
    if dispatches_bess(years.setting.equipment):
        columns["action_bess"] = trace.bess_action
    columns |= {f"reward_{term}": rollout.reward_terms[:, index] for index, term in enumerate(TERMS)}
    write_csv(path, pa.table({name: np.ascontiguousarray(values) for name, values in columns.items()}))


def _certified(evaluation: Evaluation, schema: Path | None, scratch: Path) -> tuple[dict[str, dict[str, Any]], str]:
    """Return what CityLearn replayed, and what is wrong with it; nothing replayed where it could not be."""
    try:
        parts = _certify(evaluation, schema, scratch)
    except RuntimeError as error:
        return {}, f"CityLearn can't replay it: {error}"
    deviation = max(part["max_abs_deviation"] for part in parts.values())
    return parts, f"CityLearn deviates from the twin by up to {deviation!r}" if deviation else ""


def _certify(evaluation: Evaluation, schema: Path | None, scratch: Path) -> dict[str, dict[str, Any]]:
    years, median = evaluation.years, evaluation.median
    sampled, year = (*median.sampled, years.sites[SAMPLED]), {"year": years.seeds[SAMPLED]}
    if schema is None:
        return {"sampled": year | certify_sample(*sampled, scratch)}
    with replay_executor(years.sites[HEADLINE]) as executor:
        sample = executor.submit(certify_sample, *sampled, scratch)
        whole = certify(*median.headline, schema, years.sites[HEADLINE], executor=executor)
        return {"headline": {"year": years.seeds[HEADLINE]} | whole, "sampled": year | sample.result()}


def _in_short(figures: dict[str, Any]) -> str:
    template = (
        "CO2 {co2_kg:,.0f} kg, cost {cost_usd:,.0f} USD, peak {peak_import_kw:,.0f} kW, unmet {ev_unmet_kwh:,.1f} kWh"
    )
    return template.format(**figures)
