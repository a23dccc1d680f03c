"""All figures of one policy over one year."""

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from iquitos_citylearn.env.year import Year
from iquitos_citylearn.evaluation.key_figures import MEANS
from iquitos_citylearn.evaluation.kpis import key_figures, make_timeseries, month_peaks_kw, n_days, session_outcomes
from iquitos_citylearn.evaluation.service_adjusted import service_adjusted
from iquitos_citylearn.policies.rollout import Rollout


def year_figures(rollout: Rollout, year: Year) -> dict[str, Any]:
    """Return the key figures of a year: those of its hours and sessions, the service-adjusted ones, monthly peaks.

    Parameters
    ----------
    rollout, year : Rollout, Year
        A policy's rollout over the year.
    """
    series, tables = make_timeseries(rollout, year), year.setting.tables
    outcomes = session_outcomes(rollout, year)
    adjusted = service_adjusted(series, outcomes.unmet_of_day(n_days(year.site.n_steps)), year)
    return key_figures(series, outcomes, tables.evening[0]) | {
        "adjusted": {
            "co2_kg": adjusted.co2_kg,
            "cost_usd": adjusted.cost_usd,
            "peak_import_kw": adjusted.peak_import_kw,
        },
        "month_peaks_kw": month_peaks_kw(series["grid_import_kwh"].to_numpy(), tables.month_start[0]).tolist(),
    }


def mean_figures(runs: Sequence[dict[str, Any]]) -> dict[str, float | None]:
    """Return the means of the main figures over the runs whose year has them; null where no year has."""
    means: dict[str, float | None] = {}
    for name in MEANS:
        values = [run[name] for run in runs if run[name] is not None]
        means[name] = fmean(values) if values else None
    return means
