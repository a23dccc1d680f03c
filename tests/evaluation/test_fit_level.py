from dataclasses import replace

import numpy as np
import pytest

from iquitos_citylearn.evaluation.fit_level import RANGES, fit_level
from iquitos_citylearn.evaluation.year_figures import year_figures
from iquitos_citylearn.evaluation.years import make_evaluated_years
from iquitos_citylearn.params import Actions, LevelParams
from iquitos_citylearn.policies.level import level
from iquitos_citylearn.policies.rollout import roll_out_years
from tests.small import small_site, with_demand_charge, years_of

FREE_ENERGY = {"energy_horizon_hours": 100.0}


def with_bess(params, dispatch):
    """Return params with a battery dispatched so, and cars as random sites have them."""
    battery = params.site.bess.model_copy(update={"dispatch": dispatch})
    return params.model_copy(
        update={
            "site": params.site.model_copy(update={"bess": battery}),
            "environment": params.environment.model_copy(update=FREE_ENERGY),
        }
    )


def training_years(params):
    site = small_site(3, 2, 48, bess="agent")
    sites = [with_demand_charge(replace(year, bess_dispatch="agent")) for year in years_of(site, 2)]
    return make_evaluated_years(params, [1, 2], sites, [1, 2], Actions("need_limited"))


def mean_cost_usd(params, constants):
    environment = params.environment.model_copy(update={"level": constants})
    changed = params.model_copy(update={"environment": environment})
    years = training_years(changed)
    rollouts = roll_out_years(level(years, changed, 0), years.setting)
    costs = [year_figures(*pair)["adjusted"]["cost_usd"] for pair in zip(rollouts, years, strict=True)]
    return sum(costs) / len(costs)


def values_of(constants: LevelParams):
    paths = (constants.mild.model_dump().values(), constants.cautious.model_dump().values())
    return [constants.floor_share, constants.peak_share, *paths[0], *paths[1]]


def test_a_fit_is_in_range_never_costlier_than_before_and_what_it_says(params):
    params, said = with_bess(params, "agent"), []
    fit = fit_level(training_years(params), params, seed=0, generations=1, report=said.append)
    for value, (low, high) in zip(values_of(fit.constants), RANGES, strict=True):
        assert low <= value <= high
    assert fit.cost_usd <= fit.cost_before_usd
    assert fit.cost_before_usd == pytest.approx(mean_cost_usd(params, params.environment.level), rel=1e-9)
    assert fit.cost_usd == pytest.approx(mean_cost_usd(params, fit.constants), rel=1e-9)
    assert len(said) == 1
    assert said[0].endswith(" USD a year")
    again = fit_level(training_years(params), params, seed=0, generations=1, report=said.append)
    assert again == fit
    np.testing.assert_array_less(0.0, fit.cost_usd)


def test_a_fit_begins_at_constants_beyond_its_ranges_too(params):
    params = with_bess(params, "agent")
    level_params = params.environment.level.model_copy(update={"peak_share": 2.0, "floor_share": 0.9})
    environment = params.environment.model_copy(update={"level": level_params})
    params = params.model_copy(update={"environment": environment})
    fit = fit_level(training_years(params), params, seed=0, generations=1, report=str)
    assert fit.cost_before_usd == pytest.approx(mean_cost_usd(params, level_params), rel=1e-9)
    assert fit.cost_usd <= fit.cost_before_usd


def test_without_a_battery_under_the_agent_there_is_nothing_to_fit(params):
    years = training_years(with_bess(params, "agent"))
    with pytest.raises(
        ValueError, match=r"site\.bess\.dispatch is 'automatic'; the rule `level` needs a battery under"
    ):
        fit_level(years, with_bess(params, "automatic"), seed=0, generations=1, report=print)
