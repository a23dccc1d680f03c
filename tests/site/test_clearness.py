import numpy as np
import pytest

from iquitos_citylearn.site.clearness import clearness_ratio, fit_clearness_kept
from iquitos_citylearn.site.expectations import fit_expectations, read_expectations, write_expectations
from tests.small import hand_site

HOUR = np.arange(48) % 24
LIGHT = (HOUR >= 6) & (HOUR < 18)
MEAN_KW = np.where((np.arange(24) >= 6) & (np.arange(24) < 18), 100.0, 0.0)


def test_the_ratio_is_that_of_the_last_two_daylight_hours():
    pv_kwh = np.where(HOUR < 12, 50.0, 150.0) * LIGHT
    ratio = clearness_ratio(pv_kwh, HOUR, MEAN_KW)
    assert ratio[:7].tolist() == [1.0] * 6 + [1.0]  # nothing metered, then still nothing at the start of hour 6
    assert ratio[[7, 8, 12, 13, 14, 20, 30, 31]].tolist() == [0.5, 0.5, 0.5, 1.0, 1.5, 1.5, 1.5, 1.0]


def test_without_daylight_it_is_one():
    assert clearness_ratio(np.zeros(48), HOUR, np.zeros(24)).tolist() == [1.0] * 48


def test_days_that_stay_as_they_are_keep_all_of_it_and_unrelated_ones_nothing():
    rng = np.random.default_rng(0)
    of_day = rng.uniform(0.5, 1.5, 400)
    light = np.tile(LIGHT[:24], 400)
    steady = hand_site([], n_steps=9600, pv_kwh=100.0 * np.repeat(of_day, 24) * light)
    mean_kw = fit_expectations([steady]).pv_mean_kw
    kept = fit_clearness_kept([steady], mean_kw)
    assert kept[10, :8] == pytest.approx(1.0)  # hours 10 to 17 of the same day
    assert np.abs(kept[10, 20:]).max() < 0.15  # the next morning
    assert kept[10, 8:20].tolist() == [0.0] * 12  # at night


def test_expectations_read_as_written(tmp_path):
    expected = fit_expectations([hand_site([], pv_kwh=100.0 * LIGHT, load_kwh=10.0)])
    write_expectations(tmp_path / "expectations.json", expected)
    read = read_expectations(tmp_path / "expectations.json")
    for name, value in expected._asdict().items():
        np.testing.assert_array_equal(getattr(read, name), value, err_msg=name)
