"""All figures of one policy over one year."""

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from iquitos_citylearn.evaluation.key_figures import MEANS
from iquitos_citylearn.evaluation.kpis import key_figures, make_timeseries, n_days, session_outcomes
from iquitos_citylearn.evaluation.service_adjusted import service_adjusted
from iquitos_citylearn.evaluation.years import Years
from iquitos_citylearn.policies.rollout import Rollout


def year_figures(rollout: Rollout, years: Years, index: int) -> dict[str, Any]:
    """Return the key figures of a year, and in `adjusted` those with the energy that cars lacked imported after all.

    Parameters
    ----------
    rollout : Rollout
        What happened.
    years, index : Years, int
        In which year.
    """
    site, setting = years.sites[index], years.setting_of(index)
    series = make_timeseries(rollout, setting, site, years.calendar_year)
    outcomes = session_outcomes(rollout, setting, site, years.target_soc[index])
    adjusted = service_adjusted(series, outcomes.unmet_of_day(n_days(site.n_steps)), setting)
    return key_figures(series, outcomes, setting.tables.evening[0]) | {
        "adjusted": {
            "co2_kg": adjusted.co2_kg,
            "cost_usd": adjusted.cost_usd,
            "peak_import_kw": adjusted.peak_import_kw,
        }
    }


def mean_figures(runs: Sequence[dict[str, Any]]) -> dict[str, float | None]:
    """Return the means of the main figures over runs; null where a run has none."""
    means: dict[str, float | None] = {}
    for name in MEANS:
        values = [run[name] for run in runs]
        means[name] = None if None in values else fmean(values)
    return means
