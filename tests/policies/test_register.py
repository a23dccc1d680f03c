"""The register of policies, and what follows it."""

import numpy as np
import pytest
from typer.testing import CliRunner

from iquitos_citylearn.cli import app
from iquitos_citylearn.env.action import BESS_MAPPINGS, MAPPINGS
from iquitos_citylearn.env.setting import make_spaces
from iquitos_citylearn.env.year import Years
from iquitos_citylearn.policies.making import make_policy
from iquitos_citylearn.policies.register import (
    REGISTER,
    Kind,
    baselines,
    policies_of,
    policy_named,
    rules_on_the_twin,
)
from tests.small import small_site, year_of


def with_bess(params, dispatch):
    bess = params.site.bess.model_copy(update={"dispatch": dispatch})
    return params.model_copy(update={"site": params.site.model_copy(update={"bess": bess})})


def names(entries):
    return [entry.name for entry in entries]


@pytest.mark.parametrize("entry", REGISTER, ids=lambda entry: entry.name)
def test_every_policy_is_made_as_the_register_says_and_acts(params, entry):
    assert entry.action_mapping in MAPPINGS
    assert entry.bess_mapping in BESS_MAPPINGS
    site = small_site(1, bess="agent" if entry.needs_dispatched_bess else "automatic")
    year = year_of(site, params, entry.action_mapping, energy_horizon_hours=100.0)
    policy = make_policy(entry, Years(year.setting, (year,)), params)
    observation_space, _ = make_spaces(year.setting)
    action, state = policy.predict(np.zeros((1, *observation_space.shape), dtype=np.float32), deterministic=True)
    assert action.shape == (1, 4 if entry.needs_dispatched_bess else 3)
    assert ((action >= -1.0) & (action <= 1.0)).all()
    assert state is None


def test_names_are_unlike_and_every_policy_has_a_line_for_readers():
    assert len(set(names(REGISTER))) == len(REGISTER)
    assert all(entry.summary and entry.name == entry.name.lower() for entry in REGISTER)


def test_agents_of_the_params_come_last(params):
    entries = policies_of(params)
    assert names(entries)[-3:] == ["sac", "ppo", "a2c"]
    assert [entry.kind for entry in entries[-4:]] == [Kind.OPTIMUM, Kind.AGENT, Kind.AGENT, Kind.AGENT]
    assert policy_named("sac", params).action_mapping == params.train.agents["sac"].action_mapping


def test_what_is_for_a_dispatched_battery_is_there_only_with_one(params):
    for_battery = {"level", "rollout"}
    assert not for_battery & set(names(policies_of(params)))
    assert for_battery <= set(names(baselines(with_bess(params, "agent"))))


@pytest.mark.parametrize(
    ("grid", "optima"),
    [
        ({}, ["optimum"]),
        ({"peak_tariff_usd_per_kwh": 0.2}, ["optimum"]),  # the flat tariff
        ({"peak_tariff_usd_per_kwh": 0.3}, ["optimum_co2", "optimum_cost"]),
        ({"demand_charge_usd_per_kw_month": 1.0}, ["optimum_co2", "optimum_cost"]),
    ],
)
def test_co2_and_cost_have_optima_of_their_own_where_hours_differ_in_price(params, grid, optima):
    site = params.site.model_copy(update={"grid": params.site.grid.model_copy(update=grid)})
    entries = policies_of(params.model_copy(update={"site": site}))
    assert [entry.name for entry in entries if entry.kind is Kind.OPTIMUM] == optima


def test_every_policy_without_a_model_is_a_baseline_or_a_rule_on_the_twin(params):
    both = names(baselines(params)) + names(rules_on_the_twin(params))
    assert sorted(both) == sorted(entry.name for entry in policies_of(params) if entry.kind is not Kind.AGENT)


def test_an_unknown_name_is_refused_with_the_valid_ones(params):
    with pytest.raises(ValueError, match=r"policy is 'sax'; valid are uncontrolled, .*optimum, sac, ppo, a2c"):
        policy_named("sax", params)


def test_the_command_line_lists_them(params):
    printed = CliRunner().invoke(app, ["policies"]).output
    for entry in policies_of(params):
        assert entry.name in printed
