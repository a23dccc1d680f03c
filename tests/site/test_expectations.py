import json

import numpy as np
import pytest

from iquitos_citylearn.policies.rollout import roll_out
from iquitos_citylearn.policies.rules import ConstantPolicy
from iquitos_citylearn.runtime.artifacts import ArtifactError
from iquitos_citylearn.site.expectations import (
    LAST_REFILL_HOUR,
    Expectations,
    fit_expectations,
    read_expectations,
    required_kwh,
    write_expectations,
)
from tests.small import hand_site, small_site, year_of

# Charger 0 gives 2 kW, of which 1 kWh an hour gets into 4 kWh; charger 1 gives 4 kW.
SESSIONS = [(0, 2, 12, 0.25, 0.875), (0, 20, 21, 0.0, 1.0), (1, 4, 10, 0.75, 0.5)]


def two_days(first, second):
    return np.repeat([first, second], 24).astype(np.float64)


def test_mean_and_deviation_of_each_hour_of_the_day():
    # 10 kW on the first day, 14 on the second: 12 +- 2 in every hour. Standardised: 24 times -1, then 24 times 1, so
    # that 46 of the 47 products of neighbours are 1 and one is -1, over a sum of squares of 48.
    expected = fit_expectations([hand_site([], load_kwh=two_days(10, 14), pv_kwh=two_days(3, 5))])
    np.testing.assert_array_equal(expected.load_mean_kw, np.full(24, 12.0))
    np.testing.assert_array_equal(expected.load_std_kw, np.full(24, 2.0))
    np.testing.assert_array_equal(expected.pv_mean_kw, np.full(24, 4.0))
    np.testing.assert_array_equal(expected.price_usd_per_kwh, np.full(24, 0.25))
    assert expected.load_lag1 == pytest.approx(45 / 48)
    assert expected.scale_kw == 12.0


def test_years_count_together():
    sites = [hand_site([], load_kwh=float(load), n_steps=24) for load in (6, 9, 12)]
    expected = fit_expectations(sites)
    np.testing.assert_allclose(expected.load_mean_kw, 9.0)
    np.testing.assert_allclose(expected.load_std_kw, np.sqrt(6.0))


def test_cars_charge_at_once_up_to_their_need():
    # The first car wants 2.5 kWh: 5 kWh from the grid in hours 2 to 4. The second stays an hour. The third has enough.
    kwh = required_kwh(hand_site(SESSIONS))
    expected = np.zeros(48)
    expected[[2, 3, 4, 20]] = 2.0, 2.0, 1.0, 2.0
    np.testing.assert_allclose(kwh, expected)
    by_hour = fit_expectations([hand_site(SESSIONS)])
    # The second day has none of them: half, and as much around it.
    np.testing.assert_allclose(by_hour.cars_mean_kw, expected[:24] / 2)
    np.testing.assert_allclose(by_hour.cars_std_kw, expected[:24] / 2)


def test_cars_charge_as_under_the_rule_required(params):
    site = hand_site(sorted([*SESSIONS, (1, 22, 30, 0.1, 0.95), (0, 23, 25, 0.0, 1.0), (0, 40, 47, 0.33, 0.45)]))
    rollout = roll_out(ConstantPolicy(1.0, 2), year_of(site, params, "need_limited"))
    np.testing.assert_allclose(required_kwh(site), rollout.ev_kwh, atol=1e-5)


@pytest.mark.parametrize(("covering", "hour"), [(8, 9), (0, 1), (None, LAST_REFILL_HOUR)])
def test_the_refill_is_the_end_of_the_first_hour_in_which_pv_covers_the_highest_mean(covering, hour):
    # 10 kW, and 2 kW of cars in hours 2 and 3: PV must have 12, or 11 with the cars on one day of two.
    pv_kwh = np.where(np.arange(48) % 24 == 7, 10.9, 0.0)
    if covering is not None:
        pv_kwh[(np.arange(48) % 24 >= covering) & (np.arange(48) % 24 < 15)] = 11.0
    assert fit_expectations([hand_site(SESSIONS, load_kwh=10.0, pv_kwh=pv_kwh)]).refill_hour == hour


def test_a_days_pv_varies_by_the_logarithm_of_its_energy():
    # Logarithms 0 and 1 about 1/2; a day without PV says nothing.
    pv_kwh = np.concatenate([np.full(24, 1.0), np.full(24, np.e), np.zeros(24)])
    assert fit_expectations([hand_site([], pv_kwh=pv_kwh, n_steps=72)]).pv_day_std == pytest.approx(0.5)
    assert fit_expectations([hand_site([])]).pv_day_std == 0.0


def test_a_single_day_has_no_deviation_and_no_memory():
    expected = fit_expectations([hand_site(SESSIONS, load_kwh=np.arange(24.0), n_steps=24)])
    np.testing.assert_array_equal(expected.load_mean_kw, np.arange(24.0))
    assert (expected.load_std_kw == 0.0).all()
    assert expected.load_lag1 == 0.0
    assert expected.refill_hour == LAST_REFILL_HOUR


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "expectations.json"
    write_expectations(path, fit_expectations([small_site(1), small_site(2)]))
    return path


def test_what_was_written_reads_back_bit_for_bit(written):
    found, expected = read_expectations(written), fit_expectations([small_site(1), small_site(2)])
    for name, value in expected._asdict().items():
        np.testing.assert_array_equal(getattr(found, name), value, strict=True)
    assert isinstance(found.refill_hour, int)


def test_a_missing_file_says_what_to_do(tmp_path):
    with pytest.raises(
        ArtifactError, match=r"expectations\.json: cannot be read: .*`dvc repro build_dataset` makes it"
    ):
        read_expectations(tmp_path / "expectations.json")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"load_mean_kw": None}, r"load_mean_kw has the shape \(\), not \(24,\)"),
        ({"load_mean_kw": [1.0] * 23}, r"load_mean_kw has the shape \(23,\), not \(24,\)"),
        ({"pv_mean_kw": [1.0] * 23 + ["?"]}, "pv_mean_kw is no number or list of numbers"),
        ({"cars_std_kw": [float("nan")] * 24}, "cars_std_kw has numbers that are not finite"),
        ({"load_lag1": [0.5]}, r"load_lag1 has the shape \(1,\), not \(\)"),
        ({"refill_hour": "noon"}, "refill_hour is no number or list of numbers"),
        ({"pv_clearness_kept": [1.0] * 24}, r"pv_clearness_kept has the shape \(24,\), not \(24, 24\)"),
        ({"refill_hour": ...}, "lacks refill_hour"),
    ],
)
def test_a_damaged_file_names_the_statistic_and_says_what_to_do(written, change, message):
    content = json.loads(written.read_text()) | change
    written.write_text(json.dumps({name: value for name, value in content.items() if value is not ...}))
    with pytest.raises(ArtifactError, match=rf"expectations\.json: {message}.*`dvc repro build_dataset` makes it anew"):
        read_expectations(written)


def test_a_cut_file_says_what_to_do(written):
    written.write_text(written.read_text()[:100])
    with pytest.raises(ArtifactError, match=r"is not JSON.*`dvc repro build_dataset` makes it anew"):
        read_expectations(written)


def test_every_statistic_is_in_the_file(written):
    assert tuple(json.loads(written.read_text())) == Expectations._fields
