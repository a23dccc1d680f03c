"""Statistics of few seeds over several years: scores of shape (n_seeds, n_years) -> means and intervals.

References
----------
Agarwal, Schwarzer, Castro, Courville, Bellemare (2021), Deep reinforcement learning at the edge of the statistical
precipice, NeurIPS 34: stratified bootstrap, interquartile mean, probability of improvement. There a seed is trained
anew for each task. Here the same model runs in every year, so the strata are redrawn together.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import bootstrap, trim_mean

from iquitos_citylearn.site.model import FloatArray

QUARTILE = 0.25
FEWEST_SEEDS = 2
"""A single seed has no spread to resample."""

Statistic = Callable[..., FloatArray]


@dataclass(frozen=True)
class Resampling:
    """Settings of the bootstrap.

    Attributes
    ----------
    n_resamples : int
        Bootstrap resamples.
    confidence_level : float
        Level of the interval, in (0, 1).
    seed : int
        Seed of the resampling.
    """

    n_resamples: int
    confidence_level: float
    seed: int


def summarise_scores(scores: FloatArray, resampling: Resampling) -> dict[str, float]:
    """Return mean, spread and interval of a figure over seeds and years.

    Parameters
    ----------
    scores : ndarray, shape (n_seeds, n_years)
        A figure of every run.
    resampling : Resampling
        How intervals are found.

    Returns
    -------
    dict
        `mean`, `iqm` (interquartile mean of all runs), `std`, `min` and `max` over seeds (a seed's figure is its mean
        over the years); with two seeds or more `ci_low` and `ci_high` of the mean, `iqm_ci_low` and `iqm_ci_high`.
    """
    per_seed = scores.mean(axis=1)
    summary = {
        "mean": float(scores.mean()),
        "iqm": float(trim_mean(scores, QUARTILE, axis=None)),
        "std": float(per_seed.std(ddof=1)) if len(per_seed) > 1 else 0.0,
        "min": float(per_seed.min()),
        "max": float(per_seed.max()),
    }
    if len(scores) < FEWEST_SEEDS:
        return summary
    low, high = interval(scores, np.mean, resampling)
    iqm_low, iqm_high = interval(scores, _interquartile_mean, resampling)
    return summary | {"ci_low": low, "ci_high": high, "iqm_ci_low": iqm_low, "iqm_ci_high": iqm_high}


def probability_of_improvement(
    scores: FloatArray, others: FloatArray, resolution: FloatArray, resampling: Resampling
) -> dict[str, float]:
    """Return how often a run does better than another policy's in the same year; equal ones count half.

    Parameters
    ----------
    scores : ndarray, shape (n_seeds, n_years)
        A figure of which more is better.
    others : ndarray, shape (n_seeds, n_years) or (1, n_years)
        The same of the other policy, paired by seed and year. One without seeds is paired with every seed.
    resolution : ndarray, shape (n_years,)
        Scores of a year that differ by no more than this are equal.
    resampling : Resampling
        How the interval is found.

    Returns
    -------
    dict
        `mean`; with two seeds or more `ci_low` and `ci_high`.
    """
    tied = np.abs(scores - others) <= resolution
    better = np.where(tied, 0.5, scores > others)
    if len(scores) < FEWEST_SEEDS:
        return {"mean": float(better.mean())}
    low, high = interval(better, np.mean, resampling)
    return {"mean": float(better.mean()), "ci_low": low, "ci_high": high}


def interval(scores: FloatArray, statistic: Statistic, resampling: Resampling) -> tuple[float, float]:
    """Return a percentile interval of a statistic of all runs by bootstrap: years are strata, seeds are redrawn.

    A seed is drawn for all years together, since the same model runs in all of them.

    Parameters
    ----------
    scores : ndarray, shape (n_seeds, n_years)
        Two seeds at least.
    statistic : callable
        Takes an array and an axis.
    resampling : Resampling
        Resamples, level, seed.
    """
    if (scores == scores[0]).all():
        value = float(statistic(scores.ravel(), axis=-1))
        return value, value

    def over_years(*years: FloatArray, axis: int) -> FloatArray:
        return statistic(np.concatenate(years, axis=axis), axis=axis)

    found = bootstrap(
        tuple(scores.T),
        over_years,
        n_resamples=resampling.n_resamples,
        confidence_level=resampling.confidence_level,
        method="percentile",
        paired=True,
        vectorized=True,
        rng=np.random.default_rng(resampling.seed),
    ).confidence_interval
    low, high = sorted((float(found.low), float(found.high)))  # of equal resamples, rounding can put either first
    return low, high


def _interquartile_mean(values: FloatArray, axis: int) -> FloatArray:
    return np.asarray(trim_mean(values, QUARTILE, axis=axis))
