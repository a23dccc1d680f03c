import typing

import numpy as np
import pytest

from iquitos_citylearn.env.forecast import FORECASTERS, forecast_pv, noisy_truth
from iquitos_citylearn.params import EnvironmentParams
from iquitos_citylearn.site.expectations import fit_expectations
from iquitos_citylearn.site.pv import simulate_pv
from iquitos_citylearn.site.weather import generate_weather
from tests.small import hand_site

WITHOUT_FORESIGHT = ("persistence", "fitted")
NOTHING = fit_expectations([hand_site([])])
"""Expectations of a site without PV."""


@pytest.fixture(scope="module")
def pv_years(params):
    """Sixty days of three drawn years: two to fit on, and one held out."""
    site, pv = params.site, params.site.pv
    weather = [
        generate_weather(site.weather, site.location, site.calendar, np.random.default_rng(seed)) for seed in range(3)
    ]
    n_steps = 24 * 60
    series = [simulate_pv(year, pv, site.location, site.calendar).generation_kwh[:n_steps] for year in weather]
    return [hand_site([], n_steps=n_steps, pv_kwh=pv_kwh) for pv_kwh in series]


def forecast(name, site, expected, params, **changes):
    chosen = environment(params, pv_forecast=name, **changes)
    return forecast_pv(site.pv_kwh, site.hour - 1, chosen, expected, np.random.default_rng([chosen.forecast_seed, 0]))


def rmse_kw(forecasts, pv_kwh, ahead):
    light = pv_kwh[ahead:] > 0.0
    error = (forecasts[: len(pv_kwh) - ahead, ahead] - pv_kwh[ahead:])[light]
    return float(np.sqrt((error**2).mean()))


def environment(params, **changes):
    return params.environment.model_copy(update=changes)


def drawn(pv_kwh, params, key=0, **changes):
    chosen = environment(params, **changes)
    hour = np.arange(len(pv_kwh)) % 24
    return noisy_truth(pv_kwh, hour, chosen, NOTHING, np.random.default_rng([chosen.forecast_seed, key]))


def test_the_error_has_no_bias_and_the_documented_spread_at_every_lead(params):
    n_steps = 40_000
    forecast = drawn(np.full(n_steps, 100.0), params)
    for k in range(params.environment.forecast_hours):
        relative = forecast[:, k] / 100.0 - 1.0
        expected = params.environment.forecast_error_std * np.sqrt(k + 1)
        # Mean of n draws: std / sqrt(n); 4 of these, and a little for the cut at 0 (below 0.04 % of the draws).
        assert abs(relative.mean()) < 4 * expected / np.sqrt(n_steps) + 1e-3, k
        assert relative.std() == pytest.approx(expected, rel=0.03), k


def test_successive_forecasts_of_one_hour_are_revised_without_drift(params):
    forecast = drawn(np.full(40_000, 100.0), params)
    revision = forecast[2:, 0] - forecast[1:-1, 1]  # of hour t + 2, an hour apart
    error_left = forecast[2:, 0] - 100.0
    assert abs(revision.mean()) < 0.4
    # A martingale: what is still wrong afterwards is independent of the revision, which removed an innovation.
    assert abs(np.corrcoef(revision, error_left)[0, 1]) < 0.02
    assert revision.std() == pytest.approx(15.0, rel=0.03)


def test_without_an_error_it_is_the_future_and_with_one_it_never_is(params):
    pv_kwh = np.random.default_rng(3).uniform(10, 100, 200)
    exact = drawn(pv_kwh, params, forecast_error_std=0.0)
    for k in range(params.environment.forecast_hours):
        np.testing.assert_array_equal(exact[: 200 - k, k], pv_kwh[k:])
    wrong = drawn(pv_kwh, params)
    for k in range(params.environment.forecast_hours):
        assert (wrong[: 200 - k, k] != pv_kwh[k:]).all(), k


def test_it_is_never_negative(params):
    forecast = drawn(np.full(5000, 10.0), params, forecast_error_std=2.0)
    assert forecast.min() == 0.0


def test_the_same_seed_and_key_give_the_same_errors_and_others_do_not(params):
    pv_kwh = np.full(100, 10.0)
    np.testing.assert_array_equal(drawn(pv_kwh, params, 4), drawn(pv_kwh, params, 4))
    assert (drawn(pv_kwh, params, 4) != drawn(pv_kwh, params, 5)).mean() > 0.99
    assert (drawn(pv_kwh, params, 4) != drawn(pv_kwh, params, 4, forecast_seed=8)).mean() > 0.99


def test_where_the_year_ends_the_same_hour_of_the_day_before_stands_in(params):
    pv_kwh = np.arange(72, dtype=np.float64)
    forecast = drawn(pv_kwh, params, forecast_error_std=0.0, forecast_hours=24)
    # At the last step, 71, the next hours are 72, 73, ...: 48, 49, ... of the day before.
    assert forecast[71].tolist() == [71.0, *np.arange(48.0, 71.0)]
    assert forecast[60, 11:14].tolist() == [71.0, 48.0, 49.0]


@pytest.mark.parametrize("n_steps", [1, 5, 23, 25])
def test_a_year_of_any_length_has_a_forecast(params, n_steps):
    forecast = drawn(np.arange(1.0, n_steps + 1), params, forecast_hours=24)
    assert forecast.shape == (n_steps, 24)
    assert np.isfinite(forecast).all()


def test_the_params_name_every_forecaster():
    assert typing.get_args(EnvironmentParams.model_fields["pv_forecast"].annotation) == tuple(FORECASTERS)


@pytest.mark.parametrize("name", WITHOUT_FORESIGHT)
@pytest.mark.parametrize("step", [0, 35, 36, 200])
def test_a_forecast_without_foresight_does_not_change_with_what_comes(params, pv_years, name, step):
    *training, site = pv_years
    expected = fit_expectations(training)
    changed = site.pv_kwh.copy()
    changed[step:] = 3000.0 - changed[step:]
    other = hand_site([], n_steps=site.n_steps, pv_kwh=changed)
    before, after = (forecast(name, year, expected, params, forecast_hours=24) for year in (site, other))
    np.testing.assert_array_equal(before[: step + 1], after[: step + 1])
    assert (before[step + 1 :] != after[step + 1 :]).any()


def test_fitted_is_no_worse_than_persistence_at_any_lead_on_a_year_not_fitted_on(params, pv_years):
    *training, site = pv_years
    expected = fit_expectations(training)
    persistence, fitted = (forecast(name, site, expected, params, forecast_hours=24) for name in WITHOUT_FORESIGHT)
    for ahead in range(24):
        assert rmse_kw(fitted, site.pv_kwh, ahead) <= rmse_kw(persistence, site.pv_kwh, ahead), ahead


def test_the_default_is_wrong_by_as_much_as_its_model_says(params, pv_years):
    site = pv_years[0]
    forecasts = forecast("noisy_truth", site, fit_expectations([site]), params)
    light = site.pv_kwh > 0.0
    scale = np.sqrt((site.pv_kwh[light] ** 2).mean())
    for ahead in range(params.environment.forecast_hours):
        expected = params.environment.forecast_error_std * np.sqrt(ahead + 1) * scale
        assert rmse_kw(forecasts, site.pv_kwh, ahead) == pytest.approx(expected, rel=0.12), ahead


def test_persistence_by_hand(params):
    # Mean 100 kWh in the hours 6 to 17; the day before and this morning had half of it, but hour 9 all of it.
    light = (np.arange(48) % 24 >= 6) & (np.arange(48) % 24 < 18)
    expected = fit_expectations([hand_site([], pv_kwh=100.0 * light)])
    pv_kwh = np.where(np.arange(48) % 24 == 9, 100.0, 50.0) * light
    forecasts = forecast("persistence", hand_site([], pv_kwh=pv_kwh), expected, params)
    assert forecasts[0].tolist() == [0.0] * 6  # at night
    assert forecasts[4].tolist() == [0.0, 0.0, 100.0, 100.0, 100.0, 100.0]  # nothing metered yet
    assert forecasts[9].tolist() == [50.0] * 6
    assert forecasts[10].tolist() == [75.0] * 6  # hours 8 and 9
    assert forecasts[28].tolist() == [0.0, 0.0, 50.0, 50.0, 50.0, 50.0]  # the evening before
