"""Evaluation of a policy: every seed on the twin, the median one certified step by step in CityLearn, and the files."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

from iquitos_citylearn.agents.rules import Policy
from iquitos_citylearn.artifacts import write_csv, write_json, write_through
from iquitos_citylearn.env.observation import observation_names
from iquitos_citylearn.env.physics import dispatches_bess
from iquitos_citylearn.env.replay import Trajectory, replay
from iquitos_citylearn.env.reward import TERMS
from iquitos_citylearn.env.setting import Setting, make_setting
from iquitos_citylearn.kpis import key_figures, make_timeseries, session_outcomes
from iquitos_citylearn.params import Params
from iquitos_citylearn.rollout import Rollout, roll_out
from iquitos_citylearn.site.dataset_reader import read_dataset
from iquitos_citylearn.site.model import Site

logger = logging.getLogger(__name__)

HEADLINE_FORECAST_KEY = 0
"""Training years have 1, 2, ...: no two years share their forecast errors."""


class CertificationError(RuntimeError):
    """CityLearn does not reproduce what the twin computed."""


@dataclass(frozen=True)
class Candidate:
    """One policy to evaluate.

    Attributes
    ----------
    seed : int or None
        Seed of the training; None for a rule.
    policy : Policy
        What decides.
    training : dict
        What was trained (`timesteps`, `updates`, ...); empty for a rule.
    """

    seed: int | None
    policy: Policy
    training: dict[str, Any]


@dataclass(frozen=True)
class HeadlineYear:
    """The year of `data/site`, ready to be run."""

    schema: Path
    site: Site
    setting: Setting
    calendar_year: int


def read_headline_year(params: Params, schema: Path, action_mapping: str) -> HeadlineYear:
    """Read the headline year for policies of one action mapping.

    Raises
    ------
    DatasetError
        If the data set is missing or damaged.
    """
    site = read_dataset(schema)
    setting = make_setting([site], params.environment, params.reward, action_mapping, [HEADLINE_FORECAST_KEY])
    return HeadlineYear(schema, site, setting, params.site.calendar.year)


def evaluate(
    name: str,
    candidates: Sequence[Candidate],
    year: HeadlineYear,
    metrics_folder: Path,
    extra: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Run every candidate over the headline year, certify the median one, and write result, time series and trace.

    Parameters
    ----------
    name : str
        Name of the policy in upper case, as in `result_SAC.json`.
    candidates : sequence of Candidate
        One per seed.
    year : HeadlineYear
        The year, with the policy's action mapping.
    metrics_folder : Path
        Where `result_<name>.json` and `simulations/` go.
    extra : mapping
        What else the result holds, beside the figures of the median candidate.

    Raises
    ------
    CertificationError
        If CityLearn deviates from the twin; the result is written and says so.
    FloatingPointError
        If anything in a year is not finite.
    """
    rollouts, figures = [], []
    for candidate in candidates:
        rollouts.append(roll_out(candidate.policy, year.setting))
        figures.append(_figures(candidate, _series(rollouts[-1], year), rollouts[-1], year))
        logger.info("%s seed %s: %s", name, candidate.seed, _headline(figures[-1]))
    chosen = median_index([run["reward"]["total"] for run in figures])
    rollout = rollouts[chosen]
    certification = certify(rollout, year)
    exact = certification["max_abs_deviation"] == 0.0
    result = {"status": "complete" if exact else "not certified", "agent": name} | figures[chosen] | dict(extra)
    simulations = metrics_folder / "simulations"
    write_csv(simulations / f"timeseries_{name}.csv", _series(rollout, year))
    write_trace(simulations / f"trace_{name}.csv", rollout, year)
    write_json(metrics_folder / f"result_{name}.json", result | {"certification": certification, "runs": figures})
    if not exact:
        deviation = certification["max_abs_deviation"]
        raise CertificationError(f"{name}: CityLearn deviates from the twin by up to {deviation!r}; see the result")


def median_index(values: Sequence[float]) -> int:
    """Return the index of the median; of two middle ones the lower, of equal ones the first."""
    return int(np.argsort(np.asarray(values), kind="stable")[(len(values) - 1) // 2])


def certify(rollout: Rollout, year: HeadlineYear) -> dict[str, Any]:
    """Replay the actions of a year through every step of CityLearn.

    Returns
    -------
    dict
        `n_steps` replayed, and the largest absolute deviation of net consumption, battery SOC, charger energies and
        car SOCs between CityLearn and the twin.
    """
    trajectory = Trajectory(rollout.net_kwh, rollout.bess_soc, rollout.charger_kwh, rollout.ev_soc)
    bess_action = rollout.bess_action if dispatches_bess(year.setting.equipment) else None
    replayed = replay(year.schema, year.site, rollout.charger_action, bess_action, trajectory)
    return {"n_steps": replayed.n_steps, "max_abs_deviation": replayed.max_abs_deviation}


def write_trace(path: Path, rollout: Rollout, year: HeadlineYear) -> None:
    """Write every step: `obs_...`, one `action_<charger>` per charger as CityLearn takes it, `reward_...`.

    Where the agent dispatches the battery, `action_bess` follows those of the chargers. Numbers round-trip exactly
    (observations are float32).
    """
    chargers = [charger.name for charger in year.site.chargers]
    tables = year.setting.tables
    names = observation_names(tables.pv_forecast_kwh.shape[2], chargers, tables.n_peak_entries)
    columns: dict[str, NDArray[Any]] = {
        f"obs_{name}": rollout.observation[:, index] for index, name in enumerate(names)
    }
    columns |= {f"action_{name}": rollout.charger_action[:, index] for index, name in enumerate(chargers)}
    if dispatches_bess(year.setting.equipment):
        columns["action_bess"] = rollout.bess_action
    columns |= {f"reward_{term}": rollout.reward_terms[:, index] for index, term in enumerate(TERMS)}
    table = pa.table({name: np.ascontiguousarray(values) for name, values in columns.items()})
    options = pa.csv.WriteOptions(quoting_style="none")
    write_through(path, lambda temporary: pa.csv.write_csv(table, temporary, options))


def _series(rollout: Rollout, year: HeadlineYear) -> pd.DataFrame:
    return make_timeseries(rollout, year.setting, year.site, year.calendar_year)


def _figures(candidate: Candidate, series: pd.DataFrame, rollout: Rollout, year: HeadlineYear) -> dict[str, Any]:
    outcomes = session_outcomes(rollout, year.setting, year.site)
    figures = {"seed": candidate.seed} if candidate.seed is not None else {}
    figures |= key_figures(series, outcomes, year.setting.tables.evening[0])
    return figures | ({"training": candidate.training} if candidate.training else {})


def _headline(figures: dict[str, Any]) -> str:
    figures = figures | {"reward": figures["reward"]["total"]}
    template = (
        "CO2 {co2_kg:,.0f} kg, cost {cost_usd:,.0f} USD, peak {peak_import_kw:,.0f} kW, "
        "unmet {ev_unmet_kwh:,.1f} kWh, reward {reward:,.2f}"
    )
    return template.format(**figures)
