from dataclasses import replace

import numpy as np
import pytest

from tests.small import bess, constant_run, hand_site, setting_of, small_site, target_socs, targets_of, years_of


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
