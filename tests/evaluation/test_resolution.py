"""The smallest gain that can be told from rounding, against what rounding does."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iquitos_citylearn.evaluation.resolution import resolution
from iquitos_citylearn.optimum.objectives import OBJECTIVES
from iquitos_citylearn.optimum.optimiser import Optimiser
from tests.small import hand_site, small_site, with_demand_charge, year_of


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000), battery=st.sampled_from(["agent", "none"]))
def test_a_plan_and_its_replay_differ_by_less(params, seed, battery):
    # The program computes in float64, the simulator rounds; a battery that dispatches itself would be another cause.
    year = year_of(with_demand_charge(small_site(seed, n_chargers=6, bess=battery)), params)
    optimiser = Optimiser(year)
    for objective in ("co2", "cost", "peak_import", *(("reward",) if battery == "none" else ())):
        optimum = optimiser.optimum(objective)
        assert abs(optimum.replayed - optimum.bound) < resolution(year, objective), objective


def test_it_is_what_the_table_says(params):
    # 48 hours of a load of 3 kWh, chargers of 2 and 4 kW, cars of 4 and 4 kWh, no battery: 4 (3 + 6) + 8 = 44 unit
    # roundoffs an hour, twice for two years and twice for safety; 0.5 kg and 0.25 USD/kWh, 10 USD/kW in two months.
    year = year_of(with_demand_charge(hand_site([], n_steps=48, load_kwh=3.0)), params)
    hour_kwh = 4 * 44 * 2.0**-24
    assert resolution(year, "co2") == pytest.approx(48 * hour_kwh * 0.5)
    assert resolution(year, "cost") == pytest.approx(48 * hour_kwh * 0.25 + 2 * 24 * hour_kwh * 10.0)
    assert resolution(year, "peak_import") == pytest.approx(24 * hour_kwh)


def test_it_is_far_below_what_a_site_emits(params):
    year = year_of(small_site(1, bess="automatic"), params)
    for objective in OBJECTIVES:
        assert resolution(year, objective) > 0.0
    emitted_kg = float(np.maximum(year.site.load_kwh - year.site.pv_kwh, 0.0) @ year.site.carbon_kg_per_kwh)
    assert resolution(year, "co2") < 1e-4 * emitted_kg
