import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from iquitos_citylearn.comparison.seed_statistics import (
    Resampling,
    interval,
    probability_of_improvement,
    summarise_scores,
)

RESAMPLING = Resampling(n_resamples=2000, confidence_level=0.95, seed=0)
NO_ROUNDING = np.zeros(1)


def test_summary_by_hand():
    # Seeds' means 2 and 4; of the sorted 1, 3, 3, 5 the middle half is 3, 3.
    summary = summarise_scores(np.array([[1.0, 3.0], [3.0, 5.0]]), RESAMPLING)
    assert (summary["mean"], summary["iqm"], summary["min"], summary["max"]) == (3.0, 3.0, 2.0, 4.0)
    assert summary["std"] == pytest.approx(np.sqrt(2.0))
    # Two seeds are redrawn together in both years: the means are 2 (1 of 4 draws), 3 and 4 (1 of 4).
    assert (summary["ci_low"], summary["ci_high"]) == (2.0, 4.0)


def test_a_single_seed_has_no_interval():
    assert set(summarise_scores(np.array([[1.0, 2.0, 4.0]]), RESAMPLING)) == {"mean", "iqm", "std", "min", "max"}
    assert probability_of_improvement(np.ones((1, 2)), np.zeros((1, 2)), NO_ROUNDING, RESAMPLING) == {"mean": 1.0}


def test_seeds_that_agree_have_an_interval_of_no_width():
    summary = summarise_scores(np.array([[1.0, 2.0], [1.0, 2.0]]), RESAMPLING)
    assert (summary["ci_low"], summary["mean"], summary["ci_high"]) == (1.5, 1.5, 1.5)


def test_years_are_strata():
    # Seeds agree within a year and years differ widely: redrawing over years would give a wide interval.
    scores = np.array([[0.0, 100.0], [0.1, 100.1], [0.2, 100.2]])
    low, high = interval(scores, np.mean, RESAMPLING)
    assert 50.0 <= low < 50.1 < high <= 50.2


def test_years_of_one_model_are_no_further_samples():
    # Three years that differ by a constant hold what one of them holds.
    one = np.array([[0.1], [0.5], [0.7]])
    low, high = interval(one, np.mean, RESAMPLING)
    assert interval(one + np.array([0.0, 1.0, 2.0]), np.mean, RESAMPLING) == pytest.approx((low + 1.0, high + 1.0))


def test_rounding_is_a_tie():
    scores, others = np.array([[151000.0], [151000.0]]), np.array([[151000.0003], [151001.0]])
    resolution = np.array([0.5])
    assert probability_of_improvement(-scores, -others, resolution, RESAMPLING)["mean"] == (0.5 + 1.0) / 2


def test_improvement_is_paired_by_seed_and_year_and_a_tie_counts_half():
    scores, others = np.array([[2.0, 1.0], [3.0, 0.0]]), np.array([[1.0, 1.0], [4.0, -1.0]])
    assert probability_of_improvement(scores, others, NO_ROUNDING, RESAMPLING)["mean"] == (1 + 0.5 + 0 + 1) / 4
    assert probability_of_improvement(scores, np.array([[2.5, 0.5]]), NO_ROUNDING, RESAMPLING)["mean"] == 0.5


@given(st.lists(st.lists(st.floats(-10, 10), min_size=3, max_size=3), min_size=2, max_size=5))
@example([[0.0, 1.3178562870087198, 2.46875], [1.3178562870087198, 0.0, 2.46875]])  # equal but for rounding
def test_the_interval_lies_within_the_scores_and_repeats(rows):
    scores = np.array(rows)
    few = Resampling(n_resamples=100, confidence_level=0.9, seed=1)
    low, high = interval(scores, np.mean, few)
    assert scores.min() - 1e-9 <= low <= high <= scores.max() + 1e-9
    assert (low, high) == interval(scores, np.mean, few)


@given(st.lists(st.floats(-5, 5), min_size=4, max_size=4))
def test_better_worse_and_equal_share_one(values):
    scores, others = np.array(values).reshape(2, 2), np.zeros((2, 2))
    better = probability_of_improvement(scores, others, NO_ROUNDING, RESAMPLING)["mean"]
    worse = probability_of_improvement(others, scores, NO_ROUNDING, RESAMPLING)["mean"]
    assert better + worse == pytest.approx(1.0)
