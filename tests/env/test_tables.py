from dataclasses import replace

import numpy as np
import pytest

from iquitos_citylearn.env.tables import forecast_pv
from tests.small import bess, constant_run, hand_site, setting_of, small_site, target_socs, targets_of, years_of


def environment(params, **changes):
    return params.environment.model_copy(update=changes)


def drawn(pv_kwh, params, key=0, **changes):
    chosen = environment(params, **changes)
    return forecast_pv(pv_kwh, chosen, np.random.default_rng([chosen.forecast_seed, key]))


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


def test_the_shadow_is_the_year_in_which_no_car_charges(params):
    site = small_site(4)
    tables = setting_of(site, params).tables
    results, soc_before = constant_run(site, 0.0)
    assert sum(float(result.charger_kwh.sum()) for result in results) == 0.0
    for t, result in enumerate(results):
        assert tables.shadow_import_kwh[0, t] == max(result.net_kwh, 0.0)
        assert tables.shadow_export_kwh[0, t] == max(-result.net_kwh, 0.0)
        assert tables.shadow_bess_soc_change[0, t] == result.bess_soc - soc_before[t]


def test_targets_are_what_full_power_from_arrival_reaches_if_less_than_required(params):
    # Charger 0 gives 0.25 of the SOC an hour. Two hours from 0.25 reach 0.75: less than 0.875, more than 0.5.
    site = hand_site([(0, 0, 2, 0.25, 0.875), (0, 3, 5, 0.25, 0.5), (1, 0, 2, 0.25, 1.0), (1, 4, 6, 0.75, 0.5)])
    # Charger 1 gives 0.5 an hour: 1.0 is within reach; a car that arrives above its need keeps the need as target.
    assert targets_of(setting_of(site, params), site).tolist() == [0.75, 0.5, 1.0, 0.5]
    random = small_site(5)
    assert targets_of(setting_of(random, params), random).tolist() == target_socs(random)


def test_scales_by_hand(params):
    site = hand_site([], price=[0.1] * 24 + [0.4] * 24, carbon=[0.2] * 24 + [0.6] * 24, battery=bess())
    tables = setting_of(site, params).tables
    price, carbon = tables.site_entries[0, :, 2], tables.site_entries[0, :, 3]
    assert price.tolist() == pytest.approx([0.25] * 24 + [1.0] * 24)
    assert carbon.tolist() == pytest.approx([0.0] + [1 / 3] * 24 + [1.0] * 23)  # of the hour before
    assert (tables.price_per_mean[0], tables.carbon_per_mean[0]) == (pytest.approx(4.0), pytest.approx(2.5))
    assert (tables.reference_power_kw, tables.total_charger_rating_kw) == (10.0, 6.0)  # 10 kWp, 2 + 4 kW
    assert (tables.bess_capacity_kwh, tables.bess_discharge_efficiency) == (100.0, pytest.approx(0.9))
    np.testing.assert_array_equal(np.flatnonzero(tables.evening[0]), [18, 19, 20, 21, 42, 43, 44, 45])


def test_a_free_tariff_and_a_carbon_free_grid_scale_to_zero_instead_of_infinity(params):
    tables = setting_of(hand_site([], price=0.0, carbon=0.0), params).tables
    assert (tables.price_per_mean.tolist(), tables.carbon_per_mean.tolist()) == ([0.0], [0.0])
    assert not tables.site_entries[0, :, 2:4].any()


def test_years_that_do_not_share_equipment_or_length_are_refused(params):
    site = small_site(0)
    with pytest.raises(ValueError, match="year 1 has other equipment than year 0"):
        setting_of([site, small_site(1)], params)
    shorter = small_site(0, n_steps=48)
    with pytest.raises(ValueError, match="year 1 has 48 steps, year 0 has 72"):
        setting_of([site, replace(shorter, chargers=site.chargers, bess=site.bess)], params)
    with pytest.raises(ValueError, match="zip"):
        setting_of(years_of(site, 2), params, keys=[1])
