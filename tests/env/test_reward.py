from dataclasses import replace
from math import sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iquitos_citylearn.env.gym import ChargingEnv
from iquitos_citylearn.env.reward import TERMS as PRODUCT_TERMS
from iquitos_citylearn.env.reward import make_weighting
from iquitos_citylearn.env.twin import Twin
from iquitos_citylearn.env.vec_env import ChargingVecEnv
from iquitos_citylearn.policies.rollout import roll_out
from tests.small import (
    TERMS,
    bess,
    constant_run,
    hand_site,
    only,
    random_policy_actions,
    session_at,
    setting_of,
    small_site,
    target_socs,
    year_of,
)

IMPORT_TERMS = ("co2", "cost", "grid_stability")


class Replay:
    """A policy that plays given actions."""

    def __init__(self, actions):
        self.actions = iter(actions)

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        del observation, state, episode_start, deterministic
        return next(self.actions)[None], None


def terms_of(site, params, actions, **changes):
    """Return the terms of every step, a list of dicts."""
    env = ChargingEnv(Twin(site), setting_of(site, params, **changes))
    env.reset()
    rows = []
    for action in actions:
        _, reward, _, _, info = env.step(np.asarray(action, dtype=np.float32))
        assert reward == pytest.approx(sum(info["terms"].values()), abs=1e-12)
        rows.append(info["terms"])
    return rows


def term_of(site, params, term, actions, **changes):
    """Return one term of every step, unweighted."""
    return [row[term] for row in terms_of(site, params, actions, **only(term), **changes)]


def play(n_steps, charging, n_chargers=2):
    """Return actions that charge (charger, step) at full power and nothing else."""
    actions = np.full((n_steps, n_chargers), -1.0, np.float32)
    for charger, step in charging:
        actions[step, charger] = 1.0
    return actions


STAY = [(0, 0, 24, 0.25, 0.75)]  # charger 0: 2 kW, 1 kWh into the car, a quarter of its SOC, an hour


# A test per term: its sign, its size, and the hours in which the agent has influence.


@pytest.mark.parametrize(("term", "series"), [("co2", "carbon"), ("cost", "price")])
def test_importing_for_a_car_costs_its_energy_at_the_hours_weight(params, term, series):
    # Intensity (or tariff) 0.1 in the first half, 0.3 in the second: mean 0.2, so weights 0.5 and 1.5.
    site = hand_site(STAY, n_steps=48, **{series: [0.1] * 12 + [0.3] * 12 + [0.1] * 12 + [0.3] * 12})
    values = term_of(site, params, term, play(24, [(0, 3), (0, 15)]))
    assert values[3] == pytest.approx(-0.5 * 2.0)
    assert values[15] == pytest.approx(-1.5 * 2.0)
    assert [v for t, v in enumerate(values) if t not in (3, 15)] == [0.0] * 22


def test_the_load_that_is_there_anyway_is_not_the_agents(params):
    site = hand_site(STAY, load_kwh=500.0)
    for term in TERMS:
        assert term_of(site, params, term, play(23, [])) == [0.0] * 23


@pytest.mark.parametrize("term", IMPORT_TERMS)
def test_charging_from_surplus_pv_imports_nothing(params, term):
    site = hand_site(STAY, load_kwh=1.0, pv_kwh=9.0)
    assert term_of(site, params, term, play(24, [(0, 3), (0, 19)])) == [0.0] * 24


def test_partly_covered_by_pv_only_the_rest_counts(params):
    site = hand_site(STAY, load_kwh=1.0, pv_kwh=2.5)  # surplus 1.5 of the 2 kWh
    assert term_of(site, params, "co2", play(24, [(0, 3)]))[3] == pytest.approx(-0.5)
    assert term_of(site, params, "solar_self_consumption", play(24, [(0, 3)]))[3] == pytest.approx(1.5)


def test_solar_self_consumption_pays_for_the_surplus_taken(params):
    pv_kwh = [0.0] * 8 + [9.0] * 8 + [0.0] * 32
    values = term_of(
        hand_site(STAY, load_kwh=1.0, pv_kwh=pv_kwh), params, "solar_self_consumption", play(24, [(0, 3), (0, 9)])
    )
    assert values[3] == 0.0, "no PV, nothing kept"
    assert values[9] == pytest.approx(2.0)
    assert [v for t, v in enumerate(values) if t not in (3, 9)] == [0.0] * 22


def test_grid_stability_counts_in_the_evening_peak_only(params):
    values = term_of(hand_site(STAY), params, "grid_stability", play(24, [(0, 17), (0, 18), (0, 21)]))
    assert values[17] == 0.0
    assert values[18] == pytest.approx(-2.0)
    assert values[21] == pytest.approx(-2.0)
    other = term_of(hand_site(STAY), params, "grid_stability", play(24, [(0, 17)]), evening_peak_hours=(17,))
    assert other[17] == pytest.approx(-2.0)


@pytest.mark.parametrize(
    ("charging", "unmet_kwh", "overdelivered_kwh"),
    [
        ([], 4.0, 0.0),  # 0.5 of 4 kWh, over the efficiency 0.5
        ([5], 2.0, 0.0),
        ([5, 23], 0.0, 0.0),  # exactly the need, the last hour counts
        ([5, 6, 7], 0.0, 2.0),  # a quarter too much: 1 kWh in the car, 2 on the site's side
    ],
)
def test_ev_satisfaction_by_hand(params, charging, unmet_kwh, overdelivered_kwh):
    values = term_of(hand_site(STAY), params, "ev_satisfaction", play(24, [(0, t) for t in charging]))
    assert values[23] == pytest.approx(-params.reward.unmet_scale * unmet_kwh), "unmet is booked when the car leaves"
    over = -params.reward.overdelivery_scale * overdelivered_kwh
    assert sum(values[:23]) == pytest.approx(over)
    if overdelivered_kwh:
        assert values[7] == pytest.approx(over), "in the hour that went beyond"


def test_what_is_not_feasible_is_not_unmet_and_a_car_above_its_need_needs_nothing(params):
    # 0.25 -> 1.0 wanted in one hour of a quarter: all that is feasible is 0.5. And a car at 0.75 that wants 0.5.
    site = hand_site([(0, 0, 1, 0.25, 1.0), (1, 0, 4, 0.75, 0.5)])
    assert term_of(site, params, "ev_satisfaction", play(4, [(0, 0)])) == [0.0] * 4
    assert term_of(site, params, "ev_satisfaction", play(4, []))[0] == pytest.approx(-2.0 * params.reward.unmet_scale)
    # Charging that car at all is beyond max(required, arrival): 0.25 x 4 kWh / 0.5 until full.
    over = term_of(site, params, "ev_satisfaction", play(4, [(0, 0), (1, 2)]))
    assert over[2] == pytest.approx(-2.0 * params.reward.overdelivery_scale)


def test_what_a_car_lost_by_itself_may_be_charged_again(params):
    # It wants 0.25, comes with 0.75 and loses a quarter of that an hour: 0.5625, charged to 0.8125 at step 1. Beyond
    # max(required, arrival) are 0.0625 x 4 kWh / 0.5 = 0.5 kWh.
    site = hand_site([(0, 0, 4, 0.75, 0.25)])
    lossy = [replace(one, ev=replace(one.ev, loss_coefficient=0.25)) for one in site.chargers]
    site = replace(site, chargers=tuple(lossy))
    over = term_of(site, params, "ev_satisfaction", play(4, [(0, 1)]))
    assert over == [0.0, pytest.approx(-0.5 * params.reward.overdelivery_scale), 0.0, 0.0]


# The battery: a kWh from it is imported later, unless surplus PV refills it.


def test_energy_from_the_battery_counts_like_an_import(params):
    site = hand_site(STAY, battery=bess())
    values = term_of(site, params, "co2", play(24, [(0, 3)]))
    # The battery covers the 2 kWh; eta x (SOC change x capacity) = 0.9 x 2 / 0.9. SOCs are float32: 100 kWh x 6e-8.
    assert values[3] == pytest.approx(-2.0, abs=2e-5)
    assert sum(values) == pytest.approx(-2.0, abs=2e-5)


def test_surplus_that_does_not_reach_the_battery_counts_twice_discounted(params):
    site = hand_site(STAY, pv_kwh=5.0, battery=bess(capacity_kwh=1000.0))
    # 2 kWh less go into the battery: 0.9 x 2 less in it, of which 0.9 would have come out: 1.62.
    assert term_of(site, params, "co2", play(24, [(0, 3)]))[3] == pytest.approx(-1.62, abs=2e-4)
    assert term_of(site, params, "solar_self_consumption", play(24, [(0, 3)]))[3] == 0.0


def test_what_surplus_gives_back_to_the_battery_is_given_back_to_the_agent(params):
    # Full battery at the end of the surplus with and without the car: in the end nothing was imported for it.
    pv_kwh = [0.0] * 8 + [40.0] * 8 + [0.0] * 32
    site = hand_site(STAY, pv_kwh=pv_kwh, battery=bess(capacity_kwh=50.0))
    values = term_of(site, params, "co2", play(24, [(0, 3)]))
    assert values[3] == pytest.approx(-2.0, abs=2e-5)
    assert max(values[8:16]) > 0.0
    assert sum(values) == pytest.approx(0.0, abs=2e-5)
    # And that is PV which would have been given away: 2 kWh / 0.9 out of the battery, over 0.9 into it.
    kept = term_of(site, params, "solar_self_consumption", play(24, [(0, 3)]))
    assert sum(kept) == pytest.approx(2.0 / 0.81, abs=2e-4)


def test_the_sum_of_draw_is_the_extra_import_and_the_deficit_left(params):
    site = replace(small_site(21), price_usd_per_kwh=np.full(72, 0.2))  # flat: the cost term is - draw
    actions = random_policy_actions(np.random.default_rng(2), 72, 3)
    rollout = roll_out(Replay(actions), year_of(site, params, **only("cost")))
    shadow, _ = constant_run(site, 0.0)
    extra = sum(max(net, 0.0) for net in rollout.net_kwh) - sum(max(result.net_kwh, 0.0) for result in shadow)
    deficit = site.bess.energy_capacity_kwh * (shadow[-1].bess_soc - rollout.bess_soc[-1])
    eta = sqrt(site.bess.power_efficiency_curve[1][-1])
    assert extra > 0.0
    assert -rollout.reward_terms[:, TERMS.index("cost")].sum() == pytest.approx(extra + eta * deficit, rel=1e-9)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32 - 1))
def test_without_a_battery_charging_more_never_raises_the_terms_of_imports(params, seed):
    rng = np.random.default_rng(seed)
    site = small_site(seed, n_chargers=2, n_steps=30, bess="none")
    actions = random_policy_actions(rng, 30, 2)
    step, which = int(rng.integers(30)), int(rng.integers(2))
    more = actions.copy()
    more[step, which] = 1.0
    before, after = terms_of(site, params, actions), terms_of(site, params, more)
    for term in IMPORT_TERMS:
        assert after[step][term] <= before[step][term] + 1e-12
    assert after[step]["solar_self_consumption"] >= before[step]["solar_self_consumption"] - 1e-12


# The whole reward, recomputed; the same in training and in reports.


def plain_terms(site, params, results, soc_before, ev_before):
    """Return the five weighted terms of every step from step results alone, as the table in `env/reward.py` says."""
    shadow, shadow_soc_before = constant_run(site, 0.0)
    targets, session = target_socs(site), session_at(site)
    reward = params.reward
    weights = reward.weights[reward.priority_mode].model_dump()
    mean_carbon = sum(site.carbon_kg_per_kwh) / site.n_steps
    mean_price = sum(site.price_usd_per_kwh) / site.n_steps
    capacity = site.bess.energy_capacity_kwh if site.bess else 0.0
    eta = sqrt(site.bess.power_efficiency_curve[1][-1]) if site.bess else 0.0
    rows = []
    for t, result in enumerate(results):
        drained = (shadow[t].bess_soc - shadow_soc_before[t]) - (result.bess_soc - soc_before[t])
        draw = max(result.net_kwh, 0) - max(shadow[t].net_kwh, 0) + eta * capacity * drained
        unmet = over = 0.0
        for c, charger in enumerate(site.chargers):
            which = session(t, c)
            if which is None:
                continue
            kwh = charger.ev.energy_capacity_kwh / charger.efficiency
            limit = max(site.sessions.required_soc[which], site.sessions.arrival_soc[which])
            over += kwh * (max(result.ev_soc[c] - limit, 0) - max(ev_before[t][c] - limit, 0))
            if site.sessions.departure_step[which] == t + 1:
                unmet += kwh * max(targets[which] - result.ev_soc[c], 0)
        raw = {
            "co2": -site.carbon_kg_per_kwh[t] / mean_carbon * draw,
            "solar_self_consumption": max(-shadow[t].net_kwh, 0) - max(-result.net_kwh, 0),
            "cost": -site.price_usd_per_kwh[t] / mean_price * draw,
            "ev_satisfaction": -reward.unmet_scale * unmet - reward.overdelivery_scale * over,
            "grid_stability": -draw if (site.hour[t] - 1) in params.environment.evening_peak_hours else 0.0,
        }
        rows.append([reward.total_scale * weights[term] * raw[term] for term in TERMS])
    return np.array(rows)


@pytest.mark.parametrize("mode", ["co2_focus", "cost_focus", "balanced"])
@pytest.mark.parametrize("bess_kind", ["automatic", "none"])
def test_recomputed_in_a_plain_loop_and_the_same_everywhere(params, mode, bess_kind):
    params = params.model_copy(update={"reward": params.reward.model_copy(update={"priority_mode": mode})})
    site = small_site(31, bess=bess_kind)
    setting = setting_of(site, params)
    actions = random_policy_actions(np.random.default_rng(4), site.n_steps, site.n_chargers)
    twin, env = Twin(site), ChargingEnv(Twin(site), setting)
    env.reset()
    results, soc_before, ev_before, from_gym = [], [], [], []
    for action in actions:
        soc_before.append(twin.bess_soc)
        ev_before.append(twin.ev_soc)
        info = env.step(action)[4]
        from_gym.append([info["terms"][term] for term in TERMS])
        results.append(twin.step(info["charger_action"]))
    np.testing.assert_allclose(
        from_gym, plain_terms(site, params, results, soc_before, ev_before), rtol=1e-9, atol=1e-11
    )

    np.testing.assert_array_equal(roll_out(Replay(actions), year_of(site, params)).reward_terms, from_gym)
    vec = ChargingVecEnv(setting, 1, seed=0)
    vec.reset()
    for t, action in enumerate(actions):
        _, reward, _, _ = vec.step(action[None])
        np.testing.assert_array_equal(vec.outputs.terms[0], from_gym[t])
        assert reward[0] == np.float32(vec.outputs.reward[0])


def test_terms_are_named_in_order_and_every_mode_has_its_weights(params):
    assert PRODUCT_TERMS == TERMS
    for mode, weights in params.reward.weights.items():
        weighting = make_weighting(params.reward.model_copy(update={"priority_mode": mode}))
        expected = [getattr(weights, term) * params.reward.total_scale for term in TERMS]
        assert weighting.term_scale.tolist() == expected
    assert sum(make_weighting(params.reward).term_scale) == pytest.approx(params.reward.total_scale)


def test_a_negative_tariff_pays_for_importing_in_its_hours_only(params):
    # Tariff -0.3 in the first half, 0.1 in the second: mean absolute value 0.2; importing is paid for, then paid.
    site = hand_site(STAY, price=[-0.3] * 12 + [0.1] * 12 + [-0.3] * 12 + [0.1] * 12)
    values = term_of(site, params, "cost", play(24, [(0, 3), (0, 15)]))
    assert (values[3], values[15]) == (pytest.approx(1.5 * 2.0), pytest.approx(-0.5 * 2.0))


# Each charger's part of the reward.


def parts_of(site, params, actions, **changes):
    """Return each charger's parts and the terms of every step, from the VecEnv that hands the parts out."""
    vec = ChargingVecEnv(setting_of(site, params, **changes), 1, seed=0, reward_per_charger=True)
    vec.reset()
    parts, terms = [], []
    for action in np.asarray(actions, dtype=np.float32):
        _, reward, _, _ = vec.step(action[None])
        assert reward.shape == (1, site.n_chargers)
        np.testing.assert_array_equal(reward, vec.outputs.charger_reward.astype(np.float32))
        parts.append(vec.outputs.charger_reward[0].copy())
        terms.append(vec.outputs.terms[0].copy())
    return np.array(parts), np.array(terms)


@pytest.mark.parametrize("bess_kind", ["automatic", "none"])
def test_the_parts_sum_to_the_reward_where_something_charges(params, bess_kind):
    site = small_site(51, bess=bess_kind)
    actions = random_policy_actions(np.random.default_rng(3), site.n_steps, site.n_chargers)
    parts, terms = parts_of(site, params, actions)
    charging = roll_out(Replay(actions), year_of(site, params)).ev_kwh > 0.0
    assert 10 < charging.sum() < site.n_steps
    np.testing.assert_allclose(parts[charging].sum(axis=1), terms[charging].sum(axis=1), rtol=1e-9, atol=1e-11)
    # Without charging, only the EV term is some charger's.
    np.testing.assert_allclose(parts[~charging].sum(axis=1), terms[~charging, 3], rtol=1e-9, atol=1e-11)


def test_a_charger_bears_its_own_ev_term_and_the_others_by_its_energy(params):
    # Both charge at step 3: 2 and 4 kWh, all imported. Charger 1 is full after that, charger 0 leaves 2 kWh short.
    site = hand_site([(0, 3, 4, 0.25, 0.75), (1, 3, 6, 0.5, 0.5)])
    parts, _ = parts_of(site, params, play(6, [(0, 3), (1, 3)]), **only("co2"))
    assert parts[3].tolist() == [pytest.approx(-2.0), pytest.approx(-4.0)]
    parts, _ = parts_of(site, params, play(6, [(1, 3)]), **only("ev_satisfaction"))
    # Feasible for charger 0 was 0.5: 0.25 x 4 / 0.5 = 2 kWh unmet; charger 1 went 4 kWh beyond its need.
    assert parts[3].tolist() == [
        pytest.approx(-2.0 * params.reward.unmet_scale), pytest.approx(-4.0 * params.reward.overdelivery_scale)
    ]  # fmt: skip
    assert (parts[[0, 1, 2, 4, 5]] == 0.0).all()


def test_no_charger_bears_the_hour_in_which_another_refills_the_battery(params):
    pv_kwh = [0.0] * 8 + [40.0] * 8 + [0.0] * 32
    site = hand_site(STAY, pv_kwh=pv_kwh, battery=bess(capacity_kwh=50.0))
    parts, terms = parts_of(site, params, play(24, [(0, 3)]), **only("co2"))
    assert parts[3].tolist() == [pytest.approx(-2.0, abs=2e-5), 0.0]
    assert terms[8:16, 0].max() > 0.0, "the battery gives it back"
    assert (parts[4:] == 0.0).all()
