from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iquitos_citylearn.evaluation.captured_share import Ends, Reference, captured_shares
from iquitos_citylearn.evaluation.kpis import make_timeseries, n_days, session_outcomes
from iquitos_citylearn.evaluation.service_adjusted import service_adjusted
from iquitos_citylearn.policies.rollout import roll_out
from iquitos_citylearn.policies.rules import ConstantPolicy
from tests.small import hand_site, small_site, year_of


def adjusted(params, import_kwh, price, sessions, unmet_kwh):
    site = hand_site(sessions, n_steps=len(import_kwh), price=np.asarray(price, dtype=float))
    series = pd.DataFrame({"grid_import_kwh": import_kwh})
    year = year_of(site, params)
    outcomes = session_outcomes(roll_out(ConstantPolicy(-1.0, 2), year), year)
    outcomes = replace(outcomes, unmet_kwh=np.array(unmet_kwh))
    return service_adjusted(series, outcomes.unmet_of_day(n_days(len(import_kwh))), year)


def test_days_count_not_cars(params):
    # A car that got 2 kWh more than the best plan gave it makes up for one that got 1 kWh less, but not on another day.
    sessions = [(0, 5, 9, 0, 1), (0, 30, 33, 0, 1), (1, 5, 20, 0, 1)]
    result = adjusted(params, np.zeros(48), np.full(48, 0.2), sessions, [-2.0, 1.5, 1.0])
    assert (result.import_kwh[:24].sum(), result.import_kwh[24:].sum()) == (0.0, 1.5)


def test_unmet_energy_is_imported_in_the_dearest_hour_of_the_day(params):
    # Day 1: highest tariff in hours 18 and 19, more import at 19. Day 2: nothing lacks. 3 kWh at 0.5 kg and 0.4 USD.
    import_kwh, price = np.ones(48), np.full(48, 0.1)
    price[[18, 19, 30]] = 0.4
    import_kwh[19] = 2.0
    sessions = [(0, 5, 9, 0, 1), (0, 30, 33, 0, 1), (1, 5, 20, 0, 1)]
    result = adjusted(params, import_kwh, price, sessions, [1.0, 0.0, 2.0])
    assert result.import_kwh[19] == 5.0
    assert result.import_kwh.sum() == 49 + 3
    assert result.co2_kg == pytest.approx(0.5 * 52)
    # 45 h at 0.1, 1 kWh at hours 18 and 30 and 5 kWh at hour 19 for 0.4.
    assert result.cost_usd == pytest.approx(4.5 + 7 * 0.4)
    assert result.peak_import_kw == 5.0


def test_among_equal_hours_it_is_the_earliest(params):
    result = adjusted(params, np.zeros(24), np.full(24, 0.2), [(0, 5, 9, 0, 1)], [1.5])
    assert np.flatnonzero(result.import_kwh).tolist() == [0]


def test_car_that_leaves_at_midnight_belongs_to_the_day_that_ends(params):
    result = adjusted(params, np.zeros(48), np.full(48, 0.2), [(0, 20, 24, 0, 1), (1, 40, 48, 0, 1)], [1.0, 2.0])
    assert (result.import_kwh[0], result.import_kwh[24]) == (1.0, 2.0)


def test_part_of_a_day_counts_as_a_day(params):
    result = adjusted(params, np.zeros(30), np.full(30, 0.2), [(0, 25, 29, 0, 1)], [1.0])
    assert result.import_kwh[24] == 1.0


def test_without_unmet_energy_nothing_changes(params):
    import_kwh = np.arange(24.0)
    result = adjusted(params, import_kwh, np.full(24, 0.2), [], [])
    np.testing.assert_array_equal(result.import_kwh, import_kwh)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_equals_a_plain_loop(params, seed):
    site = small_site(seed)
    year = year_of(site, params)
    rollout = roll_out(ConstantPolicy(-0.6, site.n_chargers), year)
    series = make_timeseries(rollout, year)
    outcomes = session_outcomes(rollout, year)
    unmet = outcomes.unmet_kwh
    result = service_adjusted(series, outcomes.unmet_of_day(3), year)
    expected = series["grid_import_kwh"].tolist()
    for day in range(3):
        lacking = sum(
            unmet[i] for i in range(len(unmet)) if day * 24 < site.sessions.departure_step[i] <= day * 24 + 24
        )
        hours = range(day * 24, day * 24 + 24)
        dearest = max(hours, key=lambda h: (site.price_usd_per_kwh[h], series["grid_import_kwh"][h], -h))
        expected[dearest] += lacking
    np.testing.assert_allclose(result.import_kwh, expected, rtol=0, atol=1e-9)
    assert result.co2_kg == pytest.approx(sum(e * c for e, c in zip(expected, site.carbon_kg_per_kwh, strict=True)))
    assert result.cost_usd == pytest.approx(sum(e * p for e, p in zip(expected, site.price_usd_per_kwh, strict=True)))
    assert result.peak_import_kw == pytest.approx(max(expected))


def test_share_of_what_there_is_to_gain():
    ends = Ends(uncontrolled=10.0, optimum=6.0, resolution=0.1)
    assert ends.gain == 4.0
    assert [ends.share(figure) for figure in (10.0, 6.0, 7.0, 12.0)] == [0.0, 1.0, 0.75, -0.5]


@pytest.mark.parametrize("optimum", [9.9, 10.0, 10.1, 11.0])
def test_no_share_of_what_rounding_can_make(optimum):
    ends = Ends(uncontrolled=10.0, optimum=optimum, resolution=0.125)
    assert (ends.is_gain, ends.share(9.0)) == (False, None)


def test_starving_cars_raises_only_the_plain_share(params):
    # One car wants 4 kWh between hours 3 and 9. Idle imports nothing, and lacks 4 kWh: 2 kg and 1 USD after all. At
    # once to full: 8 kWh, 4 kg, 2 USD. The optimum: 4 kWh, 2 kg, 1 USD.
    site = hand_site([(0, 3, 9, 0.0, 0.5)], n_steps=24)
    year = year_of(site, params)
    idle = roll_out(ConstantPolicy(-1.0, 2), year)
    series = make_timeseries(idle, year)
    outcomes = session_outcomes(idle, year)
    result = service_adjusted(series, outcomes.unmet_of_day(1), year)
    assert outcomes.unmet_kwh.tolist() == [4.0]
    reference = Reference(
        uncontrolled_co2_kg=4.0,
        uncontrolled_cost_usd=2.0,
        optimum_co2_kg=2.0,
        optimum_cost_usd=1.0,
        bound_co2_kg=2.0,
        bound_cost_usd=1.0,
        resolution_co2_kg=1e-3,
        resolution_cost_usd=1e-3,
    )
    adjusted = {"co2_kg": result.co2_kg, "cost_usd": result.cost_usd}
    shares = captured_shares({"co2_kg": 0.0, "cost_usd": 0.0, "adjusted": adjusted}, reference)
    assert shares == {"captured_share_co2": 1.0, "captured_share_cost": 1.0, "plain_share_co2": 2.0}
