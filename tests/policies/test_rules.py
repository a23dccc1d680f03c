import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iquitos_citylearn.env.year import Years
from iquitos_citylearn.policies.making import make_policy
from iquitos_citylearn.policies.register import policy_named
from iquitos_citylearn.policies.rollout import trace_year
from iquitos_citylearn.policies.rules import CarReader, Cars, ConstantPolicy, by_laxity
from tests.small import hand_site, setting_of, targets_of, year_of

# Charger 0: 2 kW and a quarter of the SOC an hour; it wants half an hour's worth and stays for ten.
SESSIONS = [(0, 2, 12, 0.25, 0.375), (0, 20, 21, 0.25, 1.0), (1, 4, 10, 0.75, 0.5)]
# An empty car needs four hours at full power here.
HORIZON = {"energy_horizon_hours": 4.0, "forecast_error_std": 0.0}


def run(params, name, site=None, seed=0, **changes):
    site = site or hand_site(SESSIONS)
    entry, evaluation = policy_named(name, params), params.evaluation.model_copy(update=changes)
    year = year_of(site, params, entry.action_mapping, **HORIZON)
    policy = make_policy(
        entry, Years(year.setting, (year,)), params.model_copy(update={"evaluation": evaluation}), seed
    )
    rollout, trace = trace_year(policy, year)
    charged = {(int(t), int(c)): float(trace.charger_kwh[t, c]) for t, c in np.argwhere(trace.charger_kwh > 0)}
    return charged, rollout


def test_uncontrolled_charges_at_once_at_full_power_until_full(params):
    charged, rollout = run(params, "uncontrolled")
    # 0.75 of the SOC are three hours; the second car has an hour only; charger 1 fills 0.25 in half an hour of 4 kW.
    assert charged == {(2, 0): 2.0, (3, 0): 2.0, (4, 0): 2.0, (20, 0): 2.0, (4, 1): 2.0}
    assert (rollout.ev_soc[11, 0], rollout.ev_soc[20, 0], rollout.ev_soc[9, 1]) == (1.0, 0.5, 1.0)


def test_required_charges_at_once_to_the_need_and_no_further(params):
    charged, rollout = run(params, "required")
    assert charged == {(2, 0): 1.0, (20, 0): 2.0}
    assert (rollout.ev_soc[11, 0], rollout.ev_soc[20, 0], rollout.ev_soc[9, 1]) == (0.375, 0.5, 0.75)
    assert rollout.reward_terms[:, 3].tolist() == [0.0] * 48


def test_latest_charges_in_the_last_hours_that_still_do(params):
    # Half an hour's worth: in the last hour. 1.5 hours' worth: half of the hour before the last, and the last.
    charged, rollout = run(params, "latest", hand_site([(0, 2, 12, 0.25, 0.375), (0, 20, 25, 0.25, 0.625)]))
    assert charged == pytest.approx({(11, 0): 1.0, (23, 0): 1.0, (24, 0): 2.0}, abs=1e-5)
    assert rollout.ev_soc[24, 0] == pytest.approx(0.625, abs=1e-6)


def test_least_laxity_serves_who_can_wait_least_and_stays_below_its_limit(params):
    # Both want an hour (2 kW and 4 kW); charger 0 can wait an hour, charger 1 three. Half of the
    # ratings is 3 kW, and charger 0 gets 2 of them.
    site = hand_site([(0, 2, 4, 0.25, 0.5), (1, 2, 6, 0.0, 0.5)])
    charged, _ = run(params, "least_laxity", site, least_laxity_limit_share=0.5)
    assert charged == pytest.approx({(2, 0): 2.0, (2, 1): 1.0, (3, 1): 3.0}, abs=1e-5)


def test_solar_following_takes_surplus_first_and_the_rest_in_the_last_hours(params):
    # 1 kWh of surplus in hours 4 and 5; the car wants two hours at 2 kW and leaves after hour 7.
    pv_kwh = np.zeros(48)
    pv_kwh[[4, 5]] = 1.0
    charged, rollout = run(params, "solar_following", hand_site([(0, 2, 8, 0.0, 0.5)], pv_kwh=pv_kwh))
    assert charged == pytest.approx({(4, 0): 1.0, (5, 0): 1.0, (7, 0): 2.0}, abs=1e-5)
    assert rollout.ev_soc[7, 0] == pytest.approx(0.5, abs=1e-6)


def test_solar_following_counts_the_mall_before_the_cars(params):
    pv_kwh = np.zeros(48)
    pv_kwh[[4, 5]] = 1.0
    site = hand_site([(0, 2, 8, 0.0, 0.5)], pv_kwh=pv_kwh, load_kwh=1.0)
    charged, _ = run(params, "solar_following", site)
    assert charged == pytest.approx({(6, 0): 2.0, (7, 0): 2.0}, abs=1e-5)


def test_idle_charges_nothing(params):
    assert run(params, "idle")[0] == {}


def test_random_repeats_with_its_seed_and_differs_from_another(params):
    first, again, other = (run(params, "random", seed=seed)[0] for seed in (1, 1, 2))
    assert first == again != other


def visits(charger):
    """Return a strategy of one charger's sessions (charger, arrival, departure, arrival SOC, required SOC)."""
    visit = st.tuples(st.integers(1, 6), st.integers(1, 9), st.floats(0, 1), st.floats(0, 1))

    def place(drawn):
        placed, free_from = [], 0
        for gap, stay, arrival_soc, required_soc in drawn:
            arrival = free_from + gap
            placed.append((charger, arrival, arrival + stay, float(np.float32(arrival_soc)), required_soc))
            free_from = arrival + stay
        return [session for session in placed if session[2] <= 48]

    return st.lists(visit, min_size=1, max_size=5).map(place)


@settings(max_examples=30, deadline=None)
@given(
    first=visits(0), second=visits(1), name=st.sampled_from(["required", "latest", "least_laxity", "solar_following"])
)
def test_rules_that_promise_the_need_deliver_it_and_no_more(params, first, second, name):
    site = hand_site(first + second, pv_kwh=np.arange(48) % 5)
    _, rollout = run(params, name, site, least_laxity_limit_share=1.0)
    departure_soc = rollout.ev_soc[site.sessions.departure_step - 1, site.sessions.charger]
    assert (departure_soc >= targets_of(setting_of(site, params), site) - 1e-5).all()
    assert (departure_soc <= np.maximum(site.sessions.required_soc, site.sessions.arrival_soc) + 1e-5).all()


def cars(needed_hours, hours_left):
    return Cars(np.array([needed_hours]), np.array([hours_left]), np.zeros(1))


def test_power_goes_by_laxity_then_by_charger():
    # Laxities 2, 1, 1, none needed: of 5 kW charger 1 gets its 3, charger 2 the other 2.
    given_kw = by_laxity(
        cars([1.0, 1.0, 1.0, 0.0], [3.0, 2.0, 2.0, 1.0]), np.array([[3.0, 3.0, 3.0, 0.0]]), np.full(1, 5.0)
    )
    assert given_kw.tolist() == [[0.0, 3.0, 2.0, 0.0]]


@given(
    needed=st.lists(st.floats(0, 2), min_size=5, max_size=5),
    left=st.lists(st.integers(1, 9), min_size=5, max_size=5),
    limit_kw=st.floats(0, 40),
)
def test_no_power_is_left_while_a_car_wants_some(needed, left, limit_kw):
    power_kw = np.array([[2.0, 3.0, 5.0, 7.0, 11.0]])
    given_kw = by_laxity(cars(needed, [float(hours) for hours in left]), power_kw, np.array([limit_kw]))
    assert given_kw.sum() == pytest.approx(min(limit_kw, power_kw.sum()))
    assert ((given_kw >= 0.0) & (given_kw <= power_kw)).all()


def test_rules_refuse_an_observation_that_cannot_show_an_empty_cars_need(params):
    with pytest.raises(ValueError, match=r"energy_horizon_hours is 2; rules need 4\.00 h at least"):
        CarReader(setting_of(hand_site(SESSIONS), params, energy_horizon_hours=2.0))


def test_predict_is_that_of_stable_baselines3():
    action, state = ConstantPolicy(0.25, 3).predict(np.zeros((5, 9), np.float32), None, None, deterministic=True)
    assert action.shape == (5, 3)
    assert (action == 0.25).all()
    assert state is None
