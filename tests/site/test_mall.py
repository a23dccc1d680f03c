import numpy as np
import pytest

from iquitos_citylearn.params import load_params
from iquitos_citylearn.site.clock import year_hours
from iquitos_citylearn.site.mall import generate_load, residual
from tests.defaults import PARAMS

SITE = load_params(PARAMS).site
HOURS = year_hours(SITE.calendar)

SUM_TOLERANCE_KWH = 0.01
SHAPE_TOLERANCE = 1e-3  # the stated shapes are rounded: hourly means add up to 3,091,915 kWh, months to 3,092,200
LAG1_TOLERANCE = 0.025  # three standard deviations over seeds: sqrt((1 - 0.9^2) / n), n = 8760 hours, and then some


def draw(seed=0, **changes):
    return generate_load(SITE.mall.model_copy(update=changes), SITE.calendar, np.random.default_rng(seed))


def lag1(values):
    return np.corrcoef(values[1:], values[:-1])[0, 1]


@pytest.mark.parametrize("seed", range(8))
def test_every_draw_has_the_stated_sum_peak_shape_and_noise(seed):
    load = draw(seed)
    assert load.shape == (8760,)
    assert abs(load.sum() - 3_092_204) <= SUM_TOLERANCE_KWH
    assert load.max() == 690.75
    assert load.min() > 0
    assert (load == np.round(load, 6)).all()
    by_hour = load.reshape(365, 24).mean(axis=0)
    np.testing.assert_allclose(by_hour, SITE.mall.hourly_mean_kw, rtol=SHAPE_TOLERANCE)
    by_month = np.bincount(HOURS.month, load)[1:] / 1000
    np.testing.assert_allclose(by_month, SITE.mall.monthly_energy_mwh, rtol=SHAPE_TOLERANCE)
    assert residual(load).std() == pytest.approx(43, rel=SHAPE_TOLERANCE)
    assert lag1(residual(load)) == pytest.approx(0.90, abs=LAG1_TOLERANCE)


def test_the_autocorrelation_is_right_on_average():
    # Over 8 seeds the mean's standard deviation is a third of one seed's 0.006.
    assert np.mean([lag1(residual(draw(seed))) for seed in range(8)]) == pytest.approx(0.90, abs=0.007)


def test_sunday_mornings_are_lower_and_other_hours_are_not():
    ratios = []
    for seed in range(5):
        by_day, sunday = draw(seed).reshape(365, 24), HOURS.dayofweek.to_numpy()[::24] == 6
        ratios.append(by_day[sunday].mean(axis=0) / by_day[~sunday].mean(axis=0))
    ratio = np.mean(ratios, axis=0)
    assert (ratio[7:12] < 0.97).all()
    assert np.abs(np.delete(ratio, range(7, 12)) - 1).max() < 0.06


def test_the_same_seed_gives_the_same_load_and_another_seed_another():
    np.testing.assert_array_equal(draw(3), draw(3))
    assert (draw(3) != draw(4)).mean() > 0.99


def test_a_load_four_times_as_large_needs_only_energy_and_peak():
    # 4 x 690.75 = 2,763: the same numbers times four, the rounding to 6 decimals apart.
    np.testing.assert_allclose(draw(1, annual_energy_kwh=4 * 3_092_204, peak_kw=2763.0), 4 * draw(1), atol=1e-4)


@pytest.mark.parametrize(
    "changes",
    [
        {"peak_kw": 620.0},
        {"peak_kw": 1000.0},  # beyond what the noise reaches: the busiest hours are lifted
        {"annual_energy_kwh": 2_500_000.0},
        {"residual_std_kw": 30.0},
        {"residual_std_kw": 80.0},
        {"residual_lag1": 0.5},
    ],
)
def test_other_figures_are_met_as_well(changes):
    wanted = SITE.mall.model_copy(update=changes)
    load = draw(2, **changes)
    assert abs(load.sum() - wanted.annual_energy_kwh) <= SUM_TOLERANCE_KWH
    assert load.max() == wanted.peak_kw
    assert load.min() > 0
    scale = wanted.annual_energy_kwh / 3_092_204
    assert residual(load).std() == pytest.approx(wanted.residual_std_kw * scale, rel=SHAPE_TOLERANCE)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"peak_kw": 500.0}, "mall.peak_kw is 500; it must be above the highest hourly mean, 570.053 kW"),
        ({"peak_kw": 9000.0}, r"mall.peak_kw is 9000; .* peaks at 1\d+.* kW at most"),
        ({"residual_std_kw": 10.0}, "mall.residual_std_kw is 10; the months alone differ by 16.8 kW"),
        ({"residual_std_kw": 20.0}, r"mall: no load below .*residual 24.* kW instead of 20\)"),
        ({"residual_lag1": -0.9}, "mall.residual_lag1 is -0.9; .* must be above -1 and below 1"),
    ],
)
def test_figures_that_contradict_each_other_are_refused(changes, match):
    with pytest.raises(ValueError, match=match):
        draw(0, **changes)


def test_residual_is_what_is_left_around_the_hourly_mean():
    # Two days of 24 hours: hour h has h and h + 2, mean h + 1, so -1 on the first day and 1 on the second.
    two_days = np.concatenate([np.arange(24.0), np.arange(24.0) + 2])
    np.testing.assert_array_equal(residual(two_days), np.repeat([-1.0, 1.0], 24))
