"""Figures and warnings of a data set: the content of `metrics/dataset.json`."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from iquitos_citylearn.params import ChargingParams, SiteParams
from iquitos_citylearn.site.clock import HOURS_PER_DAY, year_hours
from iquitos_citylearn.site.draw import DrawReport
from iquitos_citylearn.site.mall import residual
from iquitos_citylearn.site.model import FloatArray, IntArray, Site
from iquitos_citylearn.site.sessions import energy_requested

MEAN_TAKEN_FOR_SUM_KWH = 3_092_204
"""Energy of the mall that is the mean of 15-minute readings in kWh taken for their sum."""
MALL_LOAD_WARNING = (
    "mall load may be four times too small: 3,092,204 kWh/yr equals the mean of 15-minute kWh readings; their sum is "
    "12,368,653 kWh/yr (mean 1,412 kW, peak 2,763 kW). Set mall.annual_energy_kwh and mall.peak_kw, or mall.load_csv"
)
MAX_SOUND_PERFORMANCE_RATIO = 0.9
"""A plant above it yields more than its sun allows: a warning."""
SOUND_PERFORMANCE_RATIO = (0.75, 0.82)


def summarise(
    params: SiteParams,
    headline: tuple[Site, DrawReport],
    training: Mapping[int, tuple[Site, DrawReport]],
    evaluation: Mapping[int, tuple[Site, DrawReport]],
) -> dict[str, Any]:
    """Summarise the headline year in full, and the other draws in a line each.

    Parameters
    ----------
    params : SiteParams
        What was asked for.
    headline : tuple of Site and DrawReport
        The year of `data/site`.
    training, evaluation : mapping of int to tuple of Site and DrawReport
        The draws of `data/training` and of `data/evaluation` by their seed.

    Returns
    -------
    dict
        Nested dicts of numbers, units in the keys, and `warnings`, a list of texts. `load` and `pv` describe the
        whole year drawn; `n_steps`, `kept` and `sessions` what the data set holds of it.
    """
    site, report = headline
    ghi_kwh_per_m2 = float(report.weather.ghi_w_per_m2.sum()) / 1000
    return {
        "seed": params.draws.headline_seed,
        "n_steps": site.n_steps,
        "n_chargers": site.n_chargers,
        "kept": {"load_kwh": float(site.load_kwh.sum()), "pv_kwh": float(site.pv_kwh.sum())},
        "ghi_kwh_per_m2": ghi_kwh_per_m2,
        "load": _load_figures(params, report),
        "pv": _pv_figures(params, report, ghi_kwh_per_m2),
        "sessions": _session_figures(site, params.charging),
        "training": {f"seed_{seed}": _draw_figures(*draw, params.charging) for seed, draw in training.items()},
        "evaluation": {f"seed_{seed}": _draw_figures(*draw, params.charging) for seed, draw in evaluation.items()},
        "warnings": dataset_warnings(params, report, ghi_kwh_per_m2),
    }


def dataset_warnings(params: SiteParams, report: DrawReport, ghi_kwh_per_m2: float) -> list[str]:
    """Return what is doubtful about the site's figures, in sentences.

    Parameters
    ----------
    params : SiteParams
        What was asked for.
    report : DrawReport
        The year that was drawn.
    ghi_kwh_per_m2 : float
        Its irradiation on the horizontal plane [kWh/m2].
    """
    warnings = []
    specific_yield = float(report.pv_kwh.sum()) / params.pv.rated_power_kwp
    performance_ratio = specific_yield / ghi_kwh_per_m2
    if performance_ratio > MAX_SOUND_PERFORMANCE_RATIO:
        low, high = (ratio * ghi_kwh_per_m2 * params.pv.rated_power_kwp / 1e6 for ratio in SOUND_PERFORMANCE_RATIO)
        remedy = (
            "set pv.annual_energy_kwh: null for the pure physics"
            if report.pv is not None
            else "check pv.generation_csv and pv.rated_power_kwp"
        )
        warnings.append(
            f"PV yield is too high: {report.pv_kwh.sum():,.0f} kWh/yr on {params.pv.rated_power_kwp:g} kWp is "
            f"{specific_yield:,.0f} kWh/kWp against {ghi_kwh_per_m2:,.0f} kWh/m2 of GHI, a performance ratio of "
            f"{performance_ratio:.2f}. Sound: {SOUND_PERFORMANCE_RATIO[0]} to {SOUND_PERFORMANCE_RATIO[1]}, here "
            f"{low:.1f} to {high:.1f} GWh/yr; {remedy}"
        )
    if params.mall.load_csv is None and params.mall.annual_energy_kwh == MEAN_TAKEN_FOR_SUM_KWH:
        warnings.append(MALL_LOAD_WARNING)
    return warnings


def _load_figures(params: SiteParams, report: DrawReport) -> dict[str, Any]:
    around_mean = residual(report.load_kwh)
    return {
        "annual_energy_kwh": float(report.load_kwh.sum()),
        "mean_kw": float(report.load_kwh.mean()),
        "peak_kw": float(report.load_kwh.max()),
        "min_kw": float(report.load_kwh.min()),
        "residual_std_kw": float(around_mean.std()),
        "residual_lag1": float(np.corrcoef(around_mean[1:], around_mean[:-1])[0, 1]),
        "monthly_energy_mwh": _monthly_mwh(params, report.load_kwh),
    }


def _pv_figures(params: SiteParams, report: DrawReport, ghi_kwh_per_m2: float) -> dict[str, Any]:
    specific_yield = float(report.pv_kwh.sum()) / params.pv.rated_power_kwp
    figures: dict[str, Any] = {
        "annual_energy_kwh": float(report.pv_kwh.sum()),
        "peak_kw": float(report.pv_kwh.max()),
        "specific_yield_kwh_per_kwp": specific_yield,
        "performance_ratio": specific_yield / ghi_kwh_per_m2,
        "monthly_energy_mwh": _monthly_mwh(params, report.pv_kwh),
    }
    if report.pv is not None:
        figures |= {
            "dc_gain": report.pv.dc_gain,
            "performance_ratio_poa": report.pv.performance_ratio_poa,
            "hours_at_inverter_limit": report.pv.clipped_hours,
        }
    return figures


def _draw_figures(site: Site, report: DrawReport, charging: ChargingParams) -> dict[str, Any]:
    sessions = _session_figures(site, charging)
    return {
        "load_annual_energy_kwh": float(report.load_kwh.sum()),
        "load_peak_kw": float(report.load_kwh.max()),
        "pv_annual_energy_kwh": float(report.pv_kwh.sum()),
        "n_sessions": sessions["n_sessions"],
        "energy_requested_kwh_per_day": sessions["energy_requested_kwh_per_day"],
    }


def _session_figures(site: Site, charging: ChargingParams) -> dict[str, Any]:
    n_days = site.n_steps / HOURS_PER_DAY
    fleets: dict[str, Any] = {}
    requested_kwh, first = 0.0, 0
    for name, fleet in charging.fleets.items():
        mine = (site.sessions.charger >= first) & (site.sessions.charger < first + fleet.n_chargers)
        first += fleet.n_chargers
        arrival_soc, required_soc = site.sessions.arrival_soc[mine], site.sessions.required_soc[mine]
        stay_hours = (site.sessions.departure_step - site.sessions.arrival_step)[mine]
        efficiency = charging.charger_efficiency
        energy_kwh = energy_requested(arrival_soc, required_soc, stay_hours, fleet, efficiency)
        requested_kwh += float(energy_kwh.sum())
        fleets[name] = {
            "n_chargers": fleet.n_chargers,
            "sessions_per_charger_day": len(energy_kwh) / n_days / fleet.n_chargers,
            "energy_requested_kwh_per_day": float(energy_kwh.sum()) / n_days,
            **_stay_figures(stay_hours, energy_kwh / (fleet.power_kw * efficiency)),
            "arrival_soc_mean": _mean(arrival_soc),
            "required_soc_mean": _mean(required_soc),
        }
    return {
        "n_sessions": len(site.sessions),
        "sessions_per_day": len(site.sessions) / n_days,
        "energy_requested_kwh_per_day": requested_kwh / n_days,
        "energy_requested_site_kwh_per_day": requested_kwh / n_days / charging.charger_efficiency,
        "fleets": fleets,
    }


def _stay_figures(stay_hours: IntArray, charge_hours: FloatArray) -> dict[str, float]:
    """Return the mean stay, and the share of sessions that can wait an hour and still get all they request."""
    return {
        "stay_mean_hours": _mean(stay_hours),
        "share_that_can_wait_an_hour": _mean(stay_hours - charge_hours >= 1),
    }


def _mean(values: Any) -> float:
    """Return the mean, 0 where there are no values."""
    return float(np.mean(values)) if len(values) else 0.0


def _monthly_mwh(params: SiteParams, energy_kwh: FloatArray) -> dict[str, float]:
    by_month = np.bincount(year_hours(params.calendar).month, energy_kwh)[1:] / 1000
    return {f"month_{month:02d}": float(energy) for month, energy in enumerate(by_month, start=1)}
