import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iquitos_citylearn.params import load_params
from iquitos_citylearn.site.autoregressive import ar1
from iquitos_citylearn.site.measured import read_weather_csv
from iquitos_citylearn.site.model import WEATHER_SERIES
from iquitos_citylearn.site.sun import mid_hour_sun
from iquitos_citylearn.site.temperature import humidity_from_temperature
from iquitos_citylearn.site.weather import HOURLY_CLEARNESS_MAX, generate_weather
from tests.defaults import PARAMS

SITE = load_params(PARAMS).site
SUN = mid_hour_sun(SITE.location, SITE.calendar)
MONTH = SUN.mid_hours.month.to_numpy() - 1
EXTRA = SUN.extra_horizontal_w_per_m2
DAY_HOURS = slice(7, 17)
SEEDS = range(8)


@cache
def weather_of(seed):
    return generate_weather(SITE.weather, SITE.location, SITE.calendar, np.random.default_rng(seed))


def weather_with(**changes):
    params = SITE.weather.model_copy(update=changes)
    return generate_weather(params, SITE.location, SITE.calendar, np.random.default_rng(0))


def lag1(series):
    return np.corrcoef(series[1:], series[:-1])[0, 1]


def daily_clearness(weather):
    return by_day(weather.ghi_w_per_m2).sum(axis=1) / by_day(EXTRA).sum(axis=1)


def by_day(series):
    return series.reshape(365, 24)


def hourly_structure(weather):
    """Spread and hour-to-hour change of the clearness from 7 to 17 h, the hour's mean taken off."""
    clearness = by_day(weather.ghi_w_per_m2)[:, DAY_HOURS] / by_day(EXTRA)[:, DAY_HOURS]
    relative = clearness / daily_clearness(weather)[:, None]
    relative = relative - relative.mean(axis=0)
    within_day_lag1 = np.corrcoef(relative[:, 1:].ravel(), relative[:, :-1].ravel())[0, 1]
    return relative.std(), np.abs(np.diff(clearness, axis=1)).mean(), within_day_lag1


def mean_over_seeds(statistic):
    return np.mean([statistic(weather_of(seed)) for seed in SEEDS], axis=0)


def test_sun_stands_over_the_latitude_at_equinox_noon():
    # Noon is at 12 h + 4 min/deg * (75 - 73.25) deg - 7 min early March 21 (equation of time) = 12:00, so the middles
    # of the rows 11 and 12 are 7.5 deg away on either side: cos(zenith) = cos(3.75 deg) * cos(7.5 deg) = 0.989.
    row = 24 * (31 + 28 + 20) + 11
    assert SUN.cos_zenith[row] == pytest.approx(0.989, abs=0.003)
    assert SUN.hour_angle_deg[row] == pytest.approx(-7.5, abs=1.5)
    assert SUN.sunset_angle_deg[row] == pytest.approx(90, abs=0.3)


def test_sun_always_covers_the_whole_year():
    sun = mid_hour_sun(SITE.location, SITE.calendar.model_copy(update={"n_days": 2}))
    assert len(sun.cos_zenith) == 8760


def test_ar1_without_memory_is_the_noise_itself():
    np.testing.assert_array_equal(ar1(np.random.default_rng(1), 5, 0.0), np.random.default_rng(1).standard_normal(5))


def test_ar1_follows_its_recursion():
    series, noise = ar1(np.random.default_rng(1), 50, 0.8), np.random.default_rng(1).standard_normal(50)
    expected = [noise[0]]
    for step in range(1, 50):
        expected.append(0.8 * expected[-1] + 0.6 * noise[step])
    np.testing.assert_allclose(series, expected, atol=1e-12)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_every_year_meets_the_months_and_the_bounds(seed):
    weather = weather_of(seed)
    monthly = np.bincount(MONTH, weights=weather.ghi_w_per_m2) / 1000
    np.testing.assert_allclose(monthly, SITE.weather.monthly_ghi_kwh_per_m2, atol=1e-3)
    assert (weather.ghi_w_per_m2 >= 0).all()
    assert (weather.ghi_w_per_m2 <= HOURLY_CLEARNESS_MAX * EXTRA + 1e-3).all()
    assert (weather.dni_w_per_m2 >= 0).all()
    assert (weather.dhi_w_per_m2 <= weather.ghi_w_per_m2).all()
    assert weather.temp_air_c.min() >= SITE.weather.temp_air_min_c
    assert weather.temp_air_c.max() <= SITE.weather.temp_air_max_c
    assert weather.relative_humidity_percent.min() > 0
    assert weather.relative_humidity_percent.max() <= 100


def test_beam_and_diffuse_add_up_to_global():
    weather = weather_of(0)
    total = weather.dni_w_per_m2 * SUN.cos_zenith + weather.dhi_w_per_m2
    is_up = SUN.cos_zenith > 0
    np.testing.assert_allclose(total[is_up], weather.ghi_w_per_m2[is_up], atol=2e-3)


def test_clearness_has_the_stated_statistics():
    # Over 8 years of 365 days the standard error of the lag-1 autocorrelation is about 0.02.
    mean, std, lag = mean_over_seeds(lambda w: [f(daily_clearness(w)) for f in (np.mean, np.std, lag1)])
    assert mean == pytest.approx(SITE.weather.clearness_mean, abs=0.002)
    assert std == pytest.approx(SITE.weather.clearness_std, abs=0.004)
    assert lag == pytest.approx(SITE.weather.clearness_lag1, abs=0.05)


def test_temperature_has_the_stated_statistics():
    mean, low, high = mean_over_seeds(lambda w: [w.temp_air_c.mean(), w.temp_air_c.min(), w.temp_air_c.max()])
    assert mean == pytest.approx(SITE.weather.temp_air_mean_c, abs=0.02)
    assert low == pytest.approx(SITE.weather.temp_air_min_c, abs=0.5)
    assert high == pytest.approx(SITE.weather.temp_air_max_c, abs=1.5)


def test_air_is_warmest_past_noon_and_coldest_at_sunrise():
    by_hour = by_day(weather_of(0).temp_air_c).mean(axis=0)
    assert by_hour.argmax() in (13, 14)
    assert by_hour.argmin() in (5, 6)


def test_humidity_is_near_saturation_in_the_coldest_hour():
    # Dew point 0.5 C below 22 C: exp(-17.625 * 243.04 * 0.5 / 265.04^2) = exp(-0.0305) = 0.970.
    assert humidity_from_temperature(np.full(24, 22.0)) == pytest.approx(97.0, abs=0.1)


def test_same_seed_same_bytes_and_no_global_state():
    before = np.random.get_state()[1].copy()  # noqa: NPY002 - the state that must not be used
    again = generate_weather(SITE.weather, SITE.location, SITE.calendar, np.random.default_rng(3))
    for name in WEATHER_SERIES:
        assert getattr(again, name).tobytes() == getattr(weather_of(3), name).tobytes(), name
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_years_of_different_seeds_differ_day_by_day():
    first, second = daily_clearness(weather_of(0)), daily_clearness(weather_of(1))
    assert (first != second).all()
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.35  # the months are shared, the days are not


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"clearness_mean": 0.6}, r"clearness_mean is 0\.6; .*monthly_ghi_kwh_per_m2 implies 0\.457"),
        ({"clearness_std": 0.01}, r"clearness_std is 0\.01; the months alone differ by 0\.0"),
        ({"clearness_std": 0.39}, r"clearness_std leaves 0\.\d+ for the days of a month .*at most"),
        ({"clearness_lag1": -0.95}, r"clearness_lag1 is -0\.95; .*must be above -1 and below 1"),
        (
            {
                "clearness_std": 0.15,
                "monthly_ghi_kwh_per_m2": (232, 121, 87, 131, 123, 123, 130, 155, 158, 162, 114, 133),
            },
            r"a month a mean clearness of 0\.7\d+ at this place; allowed 0\.03 to 0\.68",
        ),
    ],
)
def test_contradicting_statistics_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        weather_with(**changes)


@cache
def pvgis_weather():
    path = os.environ.get("IQUITOS_PVGIS_WEATHER", "")
    if not path:
        pytest.skip("IQUITOS_PVGIS_WEATHER names no measured weather file")
    if not Path(path).is_file():
        pytest.skip(f"IQUITOS_PVGIS_WEATHER names {path}, which is absent")
    return read_weather_csv(Path(path), SITE.location, SITE.calendar)


def test_generator_beside_the_measured_year_months_and_hours():
    real = pvgis_weather()
    monthly_real, monthly = (np.bincount(MONTH, weights=w.ghi_w_per_m2) / 1000 for w in (real, weather_of(0)))
    # The file's February has 29 days and its December 30: by position those months differ most.
    np.testing.assert_allclose(monthly, monthly_real, atol=7)
    assert monthly.sum() == pytest.approx(monthly_real.sum(), rel=0.002)
    by_hour = mean_over_seeds(lambda w: by_day(w.ghi_w_per_m2).mean(axis=0))
    np.testing.assert_allclose(by_hour, by_day(real.ghi_w_per_m2).mean(axis=0), atol=15)


def test_generator_beside_the_measured_year_days_and_clouds():
    real = pvgis_weather()
    statistics = [lambda w, f=f: f(daily_clearness(w)) for f in (np.mean, np.std, lag1)]
    for statistic, tolerance in zip(statistics, (0.003, 0.005, 0.06), strict=True):
        assert mean_over_seeds(statistic) == pytest.approx(statistic(real), abs=tolerance)
    quantiles = mean_over_seeds(lambda w: np.quantile(daily_clearness(w), [0.05, 0.25, 0.5, 0.75, 0.95]))
    np.testing.assert_allclose(quantiles, np.quantile(daily_clearness(real), [0.05, 0.25, 0.5, 0.75, 0.95]), atol=0.02)
    np.testing.assert_allclose(mean_over_seeds(hourly_structure), hourly_structure(real), rtol=0.12)


def test_generator_beside_the_measured_year_temperature_and_diffuse_share():
    real = pvgis_weather()
    assert mean_over_seeds(lambda w: w.temp_air_c.mean()) == pytest.approx(real.temp_air_c.mean(), abs=0.1)
    assert mean_over_seeds(lambda w: w.temp_air_c.std()) == pytest.approx(real.temp_air_c.std(), abs=0.1)
    by_hour = mean_over_seeds(lambda w: by_day(w.temp_air_c).mean(axis=0))
    np.testing.assert_allclose(by_hour, by_day(real.temp_air_c).mean(axis=0), atol=0.7)
    share = mean_over_seeds(lambda w: w.dhi_w_per_m2.sum() / w.ghi_w_per_m2.sum())
    assert share == pytest.approx(real.dhi_w_per_m2.sum() / real.ghi_w_per_m2.sum(), abs=0.02)
