"""Constants of the rule `level` for a site: those of least cost over the training years.

The search is SciPy's differential evolution (Storn and Price, 1997), begun at the constants in force. It never sees an
evaluation year.

References
----------
Storn, Price (1997), Differential evolution: a simple and efficient heuristic for global optimization over continuous
spaces, Journal of Global Optimization 11, 341-359.
"""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from scipy.optimize import differential_evolution

from iquitos_citylearn.env.lookahead import with_level
from iquitos_citylearn.env.year import Years
from iquitos_citylearn.evaluation.year_figures import year_figures
from iquitos_citylearn.params import CautionParams, LevelParams, Params
from iquitos_citylearn.policies.level import level
from iquitos_citylearn.policies.rollout import roll_out_years
from iquitos_citylearn.site.model import FloatArray

RANGES = ((0.0, 0.6), (0.0, 1.5), *(((-2.0, 4.0), (-2.0, 4.0), (0.0, 2.0)) * 2))
"""Of floor_share, peak_share, and load_std, pv_error and pv_beyond of both paths."""


@dataclass(frozen=True)
class Fit:
    """Constants, and the mean cost of a training year under them and under those before [USD]."""

    constants: LevelParams
    cost_usd: float
    cost_before_usd: float


def fit_level(years: Years, params: Params, *, seed: int, generations: int, report: Callable[[str], None]) -> Fit:
    """Return the constants of least mean cost; those in force if the search finds none better.

    Parameters
    ----------
    years : Years
        Training years under the actions of the rule, with the battery under the agent.
    params : Params
        The whole params file; `environment.level` is where the search begins, within `RANGES`.
    seed, generations : int
        Of the search.
    report : callable
        Takes a line after each generation.

    Raises
    ------
    ValueError
        If the site has no battery under the agent: the rule decides nothing then.
    """
    if params.site.bess_dispatch != "agent":
        raise ValueError(
            f"site.bess.dispatch is {params.site.bess_dispatch!r}; the rule `level` needs a battery under the agent"
        )

    def cost_usd(values: FloatArray) -> float:
        lookahead = with_level(years.setting.lookahead, _constants(values))
        setting = years.setting._replace(lookahead=lookahead)
        chosen = Years(setting, years.years)
        rollouts = roll_out_years(level(chosen, params, 0), setting)
        return fmean(
            year_figures(rollout, year)["adjusted"]["cost_usd"] for rollout, year in zip(rollouts, years, strict=True)
        )

    before = _values(params.environment.level)

    def progress(intermediate_result: object) -> None:
        report(f"{getattr(intermediate_result, 'fun'):.1f} USD a year")  # noqa: B009 - SciPy's result has no type

    low, high = np.transpose(RANGES)
    found = differential_evolution(
        cost_usd,
        RANGES,
        x0=np.clip(before, low, high),
        maxiter=generations,
        popsize=4,
        rng=seed,
        polish=False,
        callback=progress,
    )
    cost_before_usd = cost_usd(before)
    if cost_before_usd <= found.fun:  # they can lie outside the ranges
        return Fit(params.environment.level, cost_before_usd, cost_before_usd)
    return Fit(_constants(found.x), float(found.fun), cost_before_usd)


def _values(constants: LevelParams) -> FloatArray:
    paths = (value for path in (constants.mild, constants.cautious) for value in path.model_dump().values())
    return np.array([constants.floor_share, constants.peak_share, *paths], dtype=np.float64)


def _constants(values: FloatArray) -> LevelParams:
    """Return values as they would be written, with four digits."""
    rounded = [float(f"{value:.4g}") for value in values]
    return LevelParams(
        floor_share=rounded[0],
        peak_share=rounded[1],
        mild=CautionParams(load_std=rounded[2], pv_error=rounded[3], pv_beyond=rounded[4]),
        cautious=CautionParams(load_std=rounded[5], pv_error=rounded[6], pv_beyond=rounded[7]),
    )
