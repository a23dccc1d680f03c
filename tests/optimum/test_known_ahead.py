from dataclasses import replace

import numpy as np
import pytest

from iquitos_citylearn.env.night import Store
from iquitos_citylearn.evaluation.years import make_evaluated_years
from iquitos_citylearn.optimum.known_ahead import (
    KnownAhead,
    Window,
    least_cost_imports,
    until_next_month,
    until_refill,
    whole_year,
)
from iquitos_citylearn.optimum.objectives import objective_named
from iquitos_citylearn.optimum.optimiser import Optimiser
from iquitos_citylearn.params import Actions
from iquitos_citylearn.policies.rollout import roll_out_years
from iquitos_citylearn.policies.rules import ConstantPolicy
from tests.small import bess, hand_site, with_demand_charge

STORE = Store(min_kwh=0.0, capacity_kwh=100.0, power_kw=50.0, root=1.0)


def window(lacking_kwh, price=0.0):
    lacking = np.asarray(lacking_kwh, dtype=np.float64)
    return Window(lacking, np.full(len(lacking), price), np.zeros(len(lacking), dtype=np.int64))


def test_the_demand_charge_spreads_what_the_battery_lacks_evenly():
    # 60 kWh lacking and 20 stored: 40 kWh from the grid in 4 hours.
    imports = least_cost_imports(window([0.0, 0.0, 30.0, 30.0]), STORE, 20.0, 0.0, 10.0)
    assert imports == pytest.approx([10.0] * 4)


def test_a_peak_that_is_paid_for_is_used_before_a_new_one():
    # Only 2 x 10 kWh fit before: of 40 kWh lacking all are imported at 15 kW at most, so energy costs nothing more.
    imports = least_cost_imports(window([0.0, 40.0], price=0.1), STORE, 0.0, 25.0, 10.0)
    assert imports.sum() == pytest.approx(40.0)
    assert imports.max() <= 25.0 + 1e-9


def test_losses_count_both_ways():
    # At a one-way efficiency of 0.9, 10 kWh given need 10 / 0.81 kWh taken.
    store = STORE._replace(root=0.9)
    prices = np.array([0.1, 1.0])
    imports = least_cost_imports(window([0.0, 10.0])._replace(price_usd_per_kwh=prices), store, 0.0, 0.0, 0.0)
    assert imports == pytest.approx([10.0 / 0.81, 0.0])


@pytest.fixture
def years(params):
    """Three days in two months, the second one cloudy, without cars, and a battery of 100 kWh under the agent."""
    hour = np.arange(72) % 24
    sun = np.repeat([40.0, 12.0, 40.0], 24) * ((hour >= 8) & (hour < 16))
    load = np.random.default_rng(5).uniform(5.0, 15.0, 72)
    night = replace(hand_site([], n_steps=72, load_kwh=load, pv_kwh=sun, battery=bess()), bess_dispatch="agent")
    site = with_demand_charge(night, 10.0, second_month=48)
    return make_evaluated_years(params, [0], [site], [0], Actions("raw"))


def cost_usd(years, starts):
    rule = ConstantPolicy(-1.0, years[0].site.n_chargers)
    (rollout,) = roll_out_years(KnownAhead(rule, years, starts), years.setting)
    return objective_named("cost").figure(rollout, years[0])


def test_who_knows_the_whole_year_reaches_the_optimum_and_less_known_costs_no_less(years):
    optimum = Optimiser(years[0]).optimum("cost").replayed
    known = [cost_usd(years, windows(years)) for windows in (whole_year, until_next_month, until_refill)]
    assert known[0] == pytest.approx(optimum, rel=1e-5)
    assert min(known) >= optimum * (1 - 1e-6)
    # Who does not know of the cloudy day empties the battery in the night before.
    assert known[2] > 1.2 * known[0]


def test_windows_begin_at_the_refill(years):
    refill = years.setting.lookahead.expected.refill_hour
    assert whole_year(years).tolist() == [0]
    assert until_refill(years).tolist() == [0, refill, 24 + refill, 48 + refill]
    assert until_next_month(years).tolist() == [0, 48 + refill]
