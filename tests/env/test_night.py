"""Paths until the refill, held to plain loops and to sums by hand."""

import numba
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from iquitos_citylearn.env import night
from iquitos_citylearn.env.night import Caution, LevelRule, Store, write_path
from iquitos_citylearn.site.expectations import Expectations, fit_expectations
from tests.env import plain_night
from tests.small import small_site

EXPECTED_ONLY = Caution(0.0, 0.0, 1.0)
FREE = Store(min_kwh=0.0, capacity_kwh=100.0, power_kw=50.0, root=1.0)


def callable_here(inner):
    """Return a kernel that only kernels can call as one that Python can call."""
    return numba.njit(error_model="numpy")(inner.py_func)


hours_to_refill, shortage_kwh, grid_level, least_import, stored_after, exchanged, level_target = map(
    callable_here,
    (
        night.hours_to_refill,
        night.shortage_kwh,
        night.grid_level,
        night.least_import,
        night.stored_after,
        night.exchanged,
        night.level_target,
    ),
)


def path(*lacking):
    """Return hours that lack so much, as a path, and their number."""
    out = np.zeros(24, dtype=np.float32)
    out[: len(lacking)] = lacking
    return out, len(lacking)


def test_hours_to_refill():
    # The refill ends at 8:00. At 8:00 a whole day is left, at 7:00 an hour.
    assert [hours_to_refill(8, hour) for hour in (8, 9, 23, 0, 7)] == [24, 23, 9, 8, 1]
    assert [hours_to_refill(24, hour) for hour in (0, 23)] == [24, 1]


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 20),
    hour=st.integers(0, 23),
    refill=st.integers(1, 24),
    z=st.floats(-4, 4),
    n_forecast=st.integers(1, 12),
    caution=st.tuples(st.floats(-2, 2), st.floats(-2, 2), st.floats(0, 2)),
)
def test_a_path_equals_a_plain_loop(seed, hour, refill, z, n_forecast, caution):
    expected = fit_expectations([small_site(seed)])._replace(refill_hour=refill, load_lag1=0.8)
    forecast_kw = np.random.default_rng(seed).uniform(0, 100, n_forecast)
    plain = plain_night.path_of(expected, Caution(*caution), hour, z, forecast_kw, 0.15)
    out = np.zeros(24, dtype=np.float32)
    assert hours_to_refill(refill, hour) == len(plain)
    write_path(out, len(plain), expected, Caution(*caution), hour, z, forecast_kw, 0.15)
    np.testing.assert_allclose(out[: len(plain)], plain, rtol=1e-5, atol=1e-4)
    assert (out[len(plain) :] == 0.0).all()


def flat_expectations(**changes):
    """Return 10 kW of load with a deviation of 2, 3 kW of cars, 8 kW of PV from 6:00 to 18:00, refill at 8:00."""
    hours = np.arange(24)
    return Expectations(
        load_mean_kw=np.full(24, 10.0),
        load_std_kw=np.full(24, 2.0),
        load_lag1=0.5,
        cars_mean_kw=np.full(24, 3.0),
        cars_std_kw=np.zeros(24),
        pv_mean_kw=np.where((hours >= 6) & (hours < 18), 8.0, 0.0),
        price_usd_per_kwh=np.full(24, 0.2),
        pv_day_std=0.0,
        refill_hour=8,
        pv_clearness_kept=np.zeros((24, 24)),
    )._replace(**changes)


def test_a_path_by_hand():
    # 5:00, last load one deviation high: half of it left in this hour, a quarter in the next, an eighth in the third.
    # Forecast 0 and 6 kW for 5:00 and 6:00, of which the mean has 8: the day has 6/8 of it, so 7:00 has 6 kW.
    out = np.zeros(24, dtype=np.float32)
    write_path(out, 3, flat_expectations(), EXPECTED_ONLY, 5, 1.0, np.array([0.0, 6.0]), 0.1)
    np.testing.assert_allclose(out[:3], [10 + 1.0, 10 + 0.5 + 3 - 6, 10 + 0.25 + 3 - 6])


def test_the_next_day_counts_with_its_mean_and_a_dark_forecast_tells_nothing():
    # 23:00, no sun in the forecast: 6:00 and 7:00 of the next day have their mean. The same at 17:00 of a dark day,
    # whose forecast tells that the day has none.
    for hour, ratio in ((23, 1.0), (17, 1.0)):
        out = np.zeros(24, dtype=np.float32)
        n_hours = hours_to_refill(8, hour)
        write_path(out, n_hours, flat_expectations(), EXPECTED_ONLY, hour, 0.0, np.zeros(2), 0.1)
        np.testing.assert_allclose(out[n_hours - 2 : n_hours], 13 - 8 * ratio)
    out = np.zeros(24, dtype=np.float32)
    write_path(out, 18, flat_expectations(refill_hour=24), EXPECTED_ONLY, 6, 0.0, np.zeros(2), 0.1)
    np.testing.assert_allclose(out[2:12], 13.0)


def test_caution():
    # Load a deviation higher: sqrt(1 - 0.25) x 2 in the first hour. PV two of its own lower: 1 - 2 x 0.1.
    out = np.zeros(24, dtype=np.float32)
    write_path(out, 1, flat_expectations(), Caution(1.0, 2.0, 1.0), 7, 0.0, np.array([5.0]), 0.1)
    assert out[0] == pytest.approx(10 + 2 * np.sqrt(0.75) - 5 * 0.8)


def test_the_store_has_its_limits():
    lossy = Store(min_kwh=10.0, capacity_kwh=100.0, power_kw=50.0, root=0.9)
    assert stored_after(lossy, 40.0, 20.0) == pytest.approx(58.0)  # 20 x 0.9
    assert stored_after(lossy, 40.0, 80.0) == pytest.approx(85.0)  # the power: 50 x 0.9
    assert stored_after(lossy, 90.0, 20.0) == 100.0  # the capacity
    assert stored_after(lossy, 90.0, -18.0) == pytest.approx(70.0)  # 18 / 0.9
    assert stored_after(lossy, 100.0, -60.0) == pytest.approx(100.0 - 50.0 / 0.9)  # the power
    assert stored_after(lossy, 19.0, -60.0) == pytest.approx(10.0)  # what is above the least
    assert stored_after(lossy, 5.0, -60.0) == 5.0  # below the least: nothing
    assert exchanged(lossy, 40.0, 58.0) == pytest.approx(20.0)
    assert exchanged(lossy, 90.0, 70.0) == pytest.approx(-18.0)


def test_shortage_by_hand():
    # 10 kWh for hours that lack 10: with 2 imported now 2 are left, with 5 later 3 are short, then 5.
    assert shortage_kwh(FREE, 10.0, *path(10, 10, 10), 0.0, 2.0, 5.0) == pytest.approx(8.0)
    # Cars that need 3 now: 1 less is left over, and so on.
    assert shortage_kwh(FREE, 10.0, *path(10, 10, 10), 3.0, 2.0, 5.0) == pytest.approx(1.0 + 5.0 + 5.0)
    # 4 kW of power leave 6 of each hour short.
    assert shortage_kwh(FREE._replace(power_kw=4.0), 100.0, *path(10, 10), 0.0, 0.0, 0.0) == pytest.approx(12.0)


def test_the_level_spreads_what_is_missing_evenly():
    assert grid_level(FREE, 35.0, *path(*[10.0] * 7), 0.0) == pytest.approx(5.0, abs=1e-4)
    # 20 in hour 2, else 8: 68 in all, 33 stored.
    assert grid_level(FREE, 33.0, *path(8, 8, 20, 8, 8, 8, 8), 0.0) == pytest.approx(5.0, abs=1e-4)
    # Cars of 14 now: 70 + 14 - 35 over seven hours.
    assert grid_level(FREE, 35.0, *path(*[10.0] * 7), 14.0) == pytest.approx(7.0, abs=1e-4)
    # Efficiency 0.9: 7 hours of 10 less L from 36 kWh, 32.4 on the site's side.
    assert grid_level(FREE._replace(root=0.9), 36.0, *path(*[10.0] * 7), 0.0) == pytest.approx(37.6 / 7, abs=1e-4)


def test_the_level_is_0_where_the_battery_lasts():
    assert grid_level(FREE, 70.0, *path(*[10.0] * 7), 0.0) == 0.0
    assert grid_level(FREE, 0.0, *path(-5.0, -1.0), 0.0) == 0.0


@pytest.mark.parametrize(("cap_kw", "least_kw"), [(10.0, 0.0), (8.0, 4.0), (20 / 3, 20 / 3), (6.0, -1.0)])
def test_the_least_import_defers_while_later_hours_suffice(cap_kw, least_kw):
    # 10 kWh for three hours of 10. Cap 10: the last two import all of theirs. Cap 8: 16 later, 4 now. Cap 6: 28 in all.
    assert least_import(FREE, 10.0, *path(10, 10, 10), 0.0, cap_kw) == pytest.approx(least_kw, abs=1e-4)


@pytest.mark.parametrize(
    ("floor_kw", "peak_kw", "cautious", "target_kw"),
    [
        (0.0, 20.0, 10.0, 0.0),  # cap 10: 35 + 6 x 10 are enough for 70 without an import now
        (0.0, 11.0, 10.0, 2.0),  # cap 5.5: 33 later, 2 now
        (6.0, 0.0, 10.0, 0.0),  # the floor is a cap as well: 35 + 36
        (0.0, 8.0, 10.0, 5.0),  # cap 4 does not last: the even spread
        (0.0, 8.0, 20.0, 15.0),  # of the cautious path: 140 - 35
        (0.0, 8.0, 5.0, 4.0),  # the cautious path lasts, the mild one did not: the cap
        (4.5, 8.0, 5.0, 4.5),
    ],
)
def test_the_target_of_the_rule(floor_kw, peak_kw, cautious, target_kw):
    rule = LevelRule(floor_kw, 0.5, EXPECTED_ONLY, EXPECTED_ONLY)
    mild, n_hours = path(*[10.0] * 7)
    careful, _ = path(*[cautious] * 7)
    found = level_target(rule, FREE, 35.0, peak_kw, mild, careful, n_hours, 0.0)
    assert found == pytest.approx(target_kw, abs=1e-4)


stores = st.builds(Store, st.floats(0, 20), st.floats(30, 200), st.floats(1, 80), st.floats(0.7, 1))
paths = st.lists(st.floats(-60, 60, width=32), min_size=1, max_size=24)


@settings(max_examples=200, deadline=None)
@given(store=stores, charge=st.floats(0, 1), lacking=paths, cars_kw=st.floats(0, 20))
def test_with_the_level_nothing_is_short_and_with_one_percent_less_something_is(store, charge, lacking, cars_kw):
    stored = store.min_kwh + charge * (store.capacity_kwh - store.min_kwh)
    hours, n_hours = path(*lacking)
    level = grid_level(store, stored, hours, n_hours, cars_kw)
    assert shortage_kwh(store, stored, hours, n_hours, cars_kw, level, level) <= 24e-6
    assert level == pytest.approx(plain_night.level_of(store, stored, hours[:n_hours].tolist(), cars_kw), abs=1e-3)
    assume(level > 0.1)
    assert shortage_kwh(store, stored, hours, n_hours, cars_kw, 0.99 * level, 0.99 * level) > 0.0


@settings(max_examples=100, deadline=None)
@given(
    store=stores, charge=st.floats(0, 1), lacking=paths, cars_kw=st.floats(0, 20), now=st.floats(0, 60),
    later=st.floats(0, 60),
)  # fmt: skip
def test_shortage_equals_a_plain_loop(store, charge, lacking, cars_kw, now, later):
    stored = store.min_kwh + charge * (store.capacity_kwh - store.min_kwh)
    hours, n_hours = path(*lacking)
    plain = plain_night.short_of(store, stored, hours[:n_hours].tolist(), cars_kw, now, later)
    assert shortage_kwh(store, stored, hours, n_hours, cars_kw, now, later) == pytest.approx(plain, abs=1e-9)
