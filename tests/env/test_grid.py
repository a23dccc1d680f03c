from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iquitos_citylearn.env.twin import Twin
from tests.small import bess, constant_run, hand_site, setting_of, small_site, target_socs, targets_of

# Chargers of hand_site: 2 kW and 4 kW at efficiency 0.5, into 4 kWh. Cars in hours 1 to 2 of both.
BOTH = [(0, 1, 3, 0.0, 1.0), (1, 1, 3, 0.0, 1.0)]


def first_hour(site, *charger_action, bess_action=0.0):
    """Return net and charger energies of hour 1 [kWh]."""
    twin = Twin(site)
    twin.step(np.zeros(2))
    result = twin.step(np.array(charger_action), bess_action)
    return result.net_kwh, result.charger_kwh.tolist()


def limited(limit_kw, rows=BOTH, load_kwh=1.0, **kwargs):
    site = hand_site(rows, n_steps=4, load_kwh=load_kwh, **kwargs)
    return replace(site, bess_dispatch="none" if site.bess is None else "agent", import_limit_kw=limit_kw)


@pytest.mark.parametrize(
    ("limit_kw", "action", "net_kwh", "charger_kwh"),
    [
        (7.0, (1.0, 1.0), 7.0, [2.0, 4.0]),  # 1 load + 2 + 4: just within
        (4.0, (1.0, 1.0), 4.0, [1.0, 2.0]),  # 3 left for 6 asked: half each
        (4.0, (1.0, 0.25), 4.0, [2.0, 1.0]),  # 1 + 2 + 1: just within
        (4.0, (1.0, 1.0 / 16.0), 3.25, [2.0, 0.25]),
        (1.0, (1.0, 1.0), 1.0, [0.0, 0.0]),  # the load takes all of it
        (0.5, (1.0, 1.0), 1.0, [0.0, 0.0]),  # and is never cut
    ],
)
def test_requests_are_cut_by_one_factor(limit_kw, action, net_kwh, charger_kwh):
    assert first_hour(limited(limit_kw), *action) == (net_kwh, charger_kwh)


def test_pv_makes_room():
    # 1 load - 3 PV + 3 of 6 asked = 1.
    assert first_hour(limited(1.0, pv_kwh=3.0), 1.0, 1.0) == (1.0, [1.0, 2.0])


def test_request_without_a_car_takes_its_part():
    # 3 left for 2 + 4 asked; the second charger has no car and leaves its 2 unused.
    assert first_hour(limited(4.0, rows=BOTH[:1]), 1.0, 1.0) == (2.0, [1.0, 0.0])


def test_cut_below_the_minimum_power_charges_nothing():
    site = limited(4.0)
    chargers = (replace(site.chargers[0], min_charging_power_kw=1.5), site.chargers[1])
    assert first_hour(replace(site, chargers=chargers), 1.0, 1.0) == (3.0, [0.0, 2.0])


def test_battery_that_discharges_makes_room_and_one_that_charges_shares():
    # 100 kWh, 50 kW: 0.04 is 2 kW. 1 load - 2 + 5 of 6 asked = 4; 1 load + 3 of (2 + 6) asked.
    net_kwh, charger_kwh = first_hour(limited(4.0, battery=bess()), 1.0, 1.0, bess_action=-0.04)
    assert (net_kwh, *charger_kwh) == pytest.approx((4.0, 5.0 / 3.0, 10.0 / 3.0), rel=1e-6)
    net_kwh, charger_kwh = first_hour(limited(4.0, battery=bess()), 1.0, 1.0, bess_action=0.04)
    assert (net_kwh, *charger_kwh) == pytest.approx((4.0, 0.75, 1.5), rel=1e-6)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), limit_kw=st.floats(0, 80))
def test_import_stays_within_the_limit_unless_load_alone_exceeds_it(seed, limit_kw):
    site = replace(small_site(seed, bess="none"), import_limit_kw=limit_kw)
    results, _ = constant_run(site, 1.0)
    net_kwh = np.array([result.net_kwh for result in results])
    assert (net_kwh <= np.maximum(site.load_kwh - site.pv_kwh, limit_kw) + 1e-4).all()


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_limit_that_never_binds_changes_nothing(seed):
    site = small_site(seed, bess="none")
    runs = [constant_run(each, 0.5)[0] for each in (site, replace(site, import_limit_kw=1e4))]
    for free, within in zip(*runs, strict=True):
        assert free.net_kwh == within.net_kwh
        np.testing.assert_array_equal(free.ev_soc, within.ev_soc)


def test_what_a_car_needs_is_what_its_charger_can_give_whatever_the_grid_carries(params):
    site = replace(small_site(3, bess="none"), import_limit_kw=1.0)
    assert targets_of(setting_of(site, params), site).tolist() == target_socs(replace(site, import_limit_kw=None))
