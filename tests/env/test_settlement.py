"""The demand charge and the battery under the agent, held to plain loops."""

from dataclasses import replace

import numpy as np
import pytest

from iquitos_citylearn.env.demand import demand_cost_usd, month_starts, peak_rises_kw
from iquitos_citylearn.env.gym import ChargingEnv
from iquitos_citylearn.env.twin import Twin
from iquitos_citylearn.env.vec_env import ChargingVecEnv
from iquitos_citylearn.policies.rollout import trace_year
from iquitos_citylearn.policies.rules import ConstantPolicy
from tests.small import (
    TERMS,
    bess,
    constant_run,
    hand_site,
    names_of,
    only,
    random_policy_actions,
    setting_of,
    small_site,
    with_demand_charge,
    year_of,
)

BESS = ("agent", "automatic", "none")
SECOND_MONTH = 30


def run(site, params, actions, mapping="three_segment", **changes):
    """Return the observations, rewards and infos of a year through the Gym face."""
    env = ChargingEnv(Twin(site), setting_of(site, params, mapping, **changes))
    seen, rewards, infos = [env.reset()[0]], [], []
    for action in actions:
        observation, reward, _, _, info = env.step(action)
        seen.append(observation)
        rewards.append(reward)
        infos.append(info)
    return seen, rewards, infos


def priced_site(kind, seed=4):
    return with_demand_charge(small_site(seed, bess=kind), second_month=SECOND_MONTH)


def actions_for(site, seed=6):
    n_actions = site.n_chargers + (site.bess_dispatch == "agent")
    return random_policy_actions(np.random.default_rng(seed), site.n_steps, n_actions)


def rises(imports):
    """Return by how much each hour lifts its month's highest import, in a loop."""
    found, peak = [], 0.0
    for t, kwh in enumerate(imports):
        peak = 0.0 if t == SECOND_MONTH else peak
        found.append(max(kwh - peak, 0.0))
        peak = max(kwh, peak)
    return found


def test_rises_sum_to_each_months_highest_import():
    month_start = month_starts(np.array([1, 1, 1, 2, 2, 3]))
    np.testing.assert_array_equal(month_start, [1, 0, 0, 1, 0, 1])
    imports = np.array([3.0, 2.0, 5.0, 4.0, 1.0, 0.0])
    np.testing.assert_array_equal(peak_rises_kw(imports, month_start), [3, 0, 2, 4, 0, 0])
    np.testing.assert_array_equal(demand_cost_usd(imports, month_start, 2.0), [6, 0, 4, 8, 0, 0])


@pytest.mark.parametrize("kind", BESS)
def test_terms_recomputed_in_a_loop(params, kind):
    site = priced_site(kind)
    _, rewards, infos = run(site, params, actions_for(site))
    by_rule = site if site.bess is None else replace(site, bess_dispatch="automatic")
    shadow, shadow_soc = constant_run(by_rule, 0.0)
    imports = [max(info["result"]["net_kwh"], 0.0) for info in infos]
    shadow_imports = [max(step.net_kwh, 0.0) for step in shadow]
    scale = {term: weight * params.reward.total_scale for term, weight in weights(params).items()}
    mean_price, mean_carbon = site.price_usd_per_kwh.mean(), site.carbon_kg_per_kwh.mean()
    one_way = 0.0 if site.bess is None else site.bess.power_efficiency_curve[1][0] ** 0.5
    soc = 0.0 if site.bess is None else Twin(site).bess_soc
    for t, (rise, shadow_rise) in enumerate(zip(rises(imports), rises(shadow_imports), strict=True)):
        result, terms = infos[t]["result"], infos[t]["terms"]
        price, carbon = site.price_usd_per_kwh[t] / mean_price, site.carbon_kg_per_kwh[t] / mean_carbon
        extra = imports[t] - shadow_imports[t]
        drawn = 0.0
        if site.bess is not None:
            change, shadow_change = result["bess_soc"] - soc, shadow[t].bess_soc - shadow_soc[t]
            drawn = one_way * site.bess.energy_capacity_kwh * (shadow_change - change)
            soc = result["bess_soc"]
        demand = 10.0 / mean_price * (rise - shadow_rise)
        if kind == "agent":
            expected = {"co2": -carbon * extra - drawn, "cost": -price * extra - drawn - demand}
            peak_draw = extra
        else:
            expected = {"co2": -carbon * (extra + drawn), "cost": -price * (extra + drawn) - demand}
            peak_draw = extra + drawn
        expected["grid_stability"] = -peak_draw if t % 24 in params.environment.evening_peak_hours else 0.0
        for term, value in expected.items():
            assert terms[term] == pytest.approx(scale[term] * value, abs=1e-9), (t, term)
        assert rewards[t] == pytest.approx(sum(terms.values()), abs=1e-9)


def weights(params):
    active = params.reward.active_weights
    return {term: getattr(active, term) for term in TERMS}


def test_the_years_cost_term_is_the_cost_saved(params):
    """Flat tariff 0.25 USD/kWh, 10 USD/kW: the sum is minus the cost beyond the shadow's, over the tariff [kWh]."""
    site = priced_site("agent")
    site = replace(site, price_usd_per_kwh=np.full(site.n_steps, 0.25))
    _, _, infos = run(site, params, actions_for(site), **only("cost"))
    shadow, _ = constant_run(replace(site, bess_dispatch="automatic"), 0.0)
    costs = []
    for nets in ([info["result"]["net_kwh"] for info in infos], [step.net_kwh for step in shadow]):
        imports = [max(net, 0.0) for net in nets]
        costs.append(0.25 * sum(imports) + 10.0 * sum(rises(imports)))
    left = site.bess.power_efficiency_curve[1][0] ** 0.5 * site.bess.energy_capacity_kwh
    left *= shadow[-1].bess_soc - infos[-1]["result"]["bess_soc"]
    total = sum(info["terms"]["cost"] for info in infos)
    assert total == pytest.approx((costs[1] - costs[0]) / 0.25 - left, abs=1e-6)


@pytest.mark.parametrize("kind", ["agent", "none"])
def test_parts_of_cars_and_battery(params, kind):
    site = priced_site(kind)
    setting = setting_of(site, params, "three_segment")
    env = ChargingVecEnv(setting, 1, seed=0, reward_per_charger=True)
    env.reset()
    for t, action in enumerate(actions_for(site)[:-1]):
        _, parts, _, _ = env.step(action[None])
        charged = env.state.charger_kwh[0].sum()
        reward, terms = env.outputs.reward[0], env.outputs.terms[0]
        if kind == "agent":  # the battery's part is a mean over the chargers: all parts together are the reward
            whole = parts[0, :-1].sum() + site.n_chargers * parts[0, -1]
            assert whole == pytest.approx(reward, abs=1e-4), t
        if charged == 0.0:
            ev = terms[TERMS.index("ev_satisfaction")]
            assert parts[0, : site.n_chargers].sum() == pytest.approx(ev, abs=1e-6), t


def test_a_car_pays_for_the_rise_that_it_causes_alone(params):
    # Load 3 kW; the car of charger 0 takes 2 kW. Hour 1: the load has set the peak of 3 kW in hour 0, so that the car
    # lifts it by 2; hour 2: 2 kW again lift nothing. 10 USD/kW over 0.25 USD/kWh: 40 kWh a kW.
    site = with_demand_charge(hand_site([(0, 0, 24, 0.0, 1.0)], n_steps=48, load_kwh=3.0))
    setting = setting_of(site, params, **only("cost"))
    env = ChargingVecEnv(setting, 1, seed=0, reward_per_charger=True)
    env.reset()
    actions = np.full((3, 1, 2), -1.0, np.float32)
    actions[1:, 0, 0] = 1.0
    parts = [env.step(action)[1][0] for action in actions]
    np.testing.assert_allclose(parts, [[0.0, 0.0], [-2.0 - 80.0, 0.0], [-2.0, 0.0]])


def test_the_observation_has_the_months_peak(params):
    site = priced_site("agent")
    seen, _, infos = run(site, params, actions_for(site))
    names = names_of(site, params)
    assert len(names) == len(seen[0])
    at, peak = names.index("month_peak"), 0.0
    reference = max(site.pv_rated_power_kwp, sum(c.max_charging_power_kw for c in site.chargers))
    for t, info in enumerate(infos):
        assert seen[t][at] == np.float32(min(1.0, peak / reference)), t
        peak = 0.0 if t + 1 == SECOND_MONTH else max(peak, info["result"]["net_kwh"])
    assert seen[-1][at] == 0.0
    assert max(row[at] for row in seen) > 0.0


def test_an_entry_of_0_is_the_rule_and_a_policy_without_one_leaves_it_to_the_rule(params):
    site = small_site(4, bess="agent")
    by_rule = replace(site, bess_dispatch="automatic")
    rollouts, traces = zip(
        *(trace_year(ConstantPolicy(0.5, site.n_chargers), year_of(chosen, params)) for chosen in (by_rule, site)),
        strict=True,
    )
    for name in ("net_kwh", "bess_soc"):
        np.testing.assert_array_equal(*(getattr(rollout, name) for rollout in rollouts))
    np.testing.assert_array_equal(*(trace.charger_kwh for trace in traces))
    entry_0 = np.column_stack([np.full((site.n_steps, site.n_chargers), 0.5), np.zeros(site.n_steps)])
    _, _, infos = run(site, params, entry_0.astype(np.float32), "raw")
    np.testing.assert_array_equal(rollouts[0].net_kwh, [info["result"]["net_kwh"] for info in infos])


@pytest.mark.parametrize(
    ("entry", "bess_kwh"), [(0.0, -20.0), (0.25, -13.75), (0.5, 5.0), (1.0, 50.0), (-0.25, -26.25), (-1.0, -45.0)]
)
def test_an_entry_corrects_the_rule_by_twice_its_signed_square(params, entry, bess_kwh):
    # Deficit 20 kWh, power 50 kW: the rule discharges 20; 0.25 adds 2 x 0.0625 x 50 = 6.25 to that, 0.5 adds 25, 1 more
    # than the power; -1 asks for the whole power, and the battery has 50 kWh x 0.9 = 45 to give.
    site = replace(hand_site([], load_kwh=20.0, battery=bess()), bess_dispatch="agent")
    _, _, infos = run(site, params, np.array([[-1.0, -1.0, entry]], np.float32))
    assert infos[0]["result"]["bess_kwh"] == pytest.approx(bess_kwh, abs=1e-5)


def test_years_of_different_demand_charge_are_refused(params):
    site = small_site(4)
    with pytest.raises(ValueError, match=r"differ in demand_charge_usd_per_kw_month: \[0\.0, 10\.0\]"):
        setting_of([site, replace(site, demand_charge_usd_per_kw_month=10.0)], params)
