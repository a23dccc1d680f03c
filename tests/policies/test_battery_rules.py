from dataclasses import replace

import numpy as np
import pytest

from iquitos_citylearn.policies.battery_rules import PeakShaving, expected_load_kw
from iquitos_citylearn.policies.rollout import roll_out
from iquitos_citylearn.policies.rules import ConstantPolicy
from tests.small import bess, hand_site, year_of


def night_site(load_kwh, initial_soc):
    """Two days without PV, cars or losses, and a battery of 100 kWh under the agent."""
    battery = bess(capacity_kwh=100.0, power_kw=50.0, initial_soc=initial_soc, efficiency_round_trip=1.0)
    return replace(hand_site([], load_kwh=load_kwh, battery=battery), bess_dispatch="agent")


def shaved(site, params, hourly_load_kw):
    year = year_of(site, params)
    load_kw = np.asarray(hourly_load_kw, dtype=np.float64)
    return roll_out(PeakShaving(ConstantPolicy(-1.0, site.n_chargers), year.setting, load_kw), year)


def test_the_battery_is_spread_evenly_over_the_hours_until_sunrise(params):
    # 7 hours of 10 kWh until 7:00, 35 kWh stored: the grid gives 5 kWh in each of them, and the battery the rest.
    rollout = shaved(night_site(10.0, 0.35), params, np.full(24, 10.0))
    np.testing.assert_allclose(rollout.net_kwh[:7], 5.0, atol=1e-4)
    assert rollout.bess_soc[6] == pytest.approx(0.0, abs=1e-6)


def test_with_enough_energy_it_is_the_rule(params):
    # 100 kWh for 70: nothing is imported.
    rollout = shaved(night_site(10.0, 1.0), params, np.full(24, 10.0))
    np.testing.assert_allclose(rollout.net_kwh[:7], 0.0, atol=1e-4)


def test_an_uneven_load_is_shaved_to_an_even_import(params):
    # 20 kWh in hour 2, else 8: 68 in all, 33 stored, so that 5 an hour are imported.
    load = np.where(np.arange(24) == 2, 20.0, 8.0)
    rollout = shaved(night_site(np.tile(load, 2), 0.33), params, load)
    np.testing.assert_allclose(rollout.net_kwh[:7], 5.0, atol=1e-4)


def test_by_day_it_is_the_rule(params):
    # From 7:00 to 16:00 an empty battery and no PV leave the load to the grid; from 16:00 on as well.
    rollout = shaved(night_site(10.0, 0.0), params, np.full(24, 10.0))
    np.testing.assert_allclose(rollout.net_kwh, 10.0, atol=1e-4)


def test_the_expected_load_is_the_malls_and_the_cars_requests_while_open(params):
    load_kw = expected_load_kw(params.site)
    mall_kw = np.array(params.site.mall.hourly_mean_kw)
    # 903 kWh a day at an efficiency of 0.95 in the 13 hours from 9 to 22.
    assert (load_kw - mall_kw)[[8, 22]].tolist() == [0.0, 0.0]
    assert (load_kw - mall_kw)[[9, 21]] == pytest.approx(903 / 0.95 / 13)
    assert (load_kw - mall_kw).sum() == pytest.approx(903 / 0.95)
