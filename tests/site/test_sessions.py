import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iquitos_citylearn.params import ParamsError, load_params, read_yaml, validate_params
from iquitos_citylearn.site.sessions import energy_requested, generate_sessions
from tests.defaults import PARAMS

CHARGING = load_params(PARAMS).site.charging
MOTO, MOTOTAXI = CHARGING.fleets["moto"], CHARGING.fleets["mototaxi"]


def draw(seed=0, n_days=30, **changes):
    return generate_sessions(CHARGING.model_copy(update=changes), np.random.default_rng(seed), n_days)


def requested_kwh(sessions, charging=CHARGING):
    """Energy requested by session, in a plain loop over the sessions."""
    fleets = [fleet for fleet in charging.fleets.values() for _ in range(fleet.n_chargers)]
    energies = []
    for index in range(len(sessions)):
        fleet = fleets[sessions.charger[index]]
        wanted = (sessions.required_soc[index] - sessions.arrival_soc[index]) * fleet.battery_kwh
        hours = sessions.departure_step[index] - sessions.arrival_step[index]
        energies.append(min(wanted, hours * fleet.power_kw * charging.charger_efficiency))
    return np.array(energies)


def assert_valid(sessions, charging, n_days, n_chargers):
    arrival, departure = sessions.arrival_step, sessions.departure_step
    assert all(getattr(sessions, name).dtype == np.int64 for name in ("charger", "arrival_step", "departure_step"))
    assert set(sessions.charger) <= set(range(n_chargers))
    assert (departure > arrival).all()
    assert (arrival % 24 >= charging.opening_hour).all()
    assert ((departure - 1) % 24 < charging.closing_hour).all()
    assert (arrival // 24 == (departure - 1) // 24).all()
    assert (arrival >= 0).all()
    assert (departure <= n_days * 24).all()
    same = np.diff(sessions.charger) == 0
    assert (np.diff(sessions.charger) >= 0).all()
    assert (arrival[1:] > departure[:-1])[same].all()
    for soc in (sessions.arrival_soc, sessions.required_soc):
        assert (soc == np.round(soc, 4)).all()
    assert (sessions.arrival_soc > 0).all()
    assert (sessions.required_soc > sessions.arrival_soc).all()
    assert (sessions.required_soc <= 1).all()


@pytest.mark.parametrize("seed", range(5))
def test_the_fleet_requests_its_energy_and_the_sessions_follow(seed):
    sessions = draw(seed)
    assert_valid(sessions, CHARGING, 30, 128)
    assert requested_kwh(sessions).sum() / 30 == pytest.approx(903, rel=0.02)
    is_moto = sessions.charger < 112
    assert is_moto.sum() / 30 / 112 == pytest.approx(3.9, abs=0.05)
    assert (~is_moto).sum() / 30 / 16 == pytest.approx(3.2, abs=0.1)


@pytest.mark.parametrize("n_days", [1, 2, 14])
def test_a_few_days_request_the_same_energy_a_day(n_days):
    for seed in range(5):
        assert requested_kwh(draw(seed, n_days)).sum() / n_days == pytest.approx(903, rel=0.02)


def test_there_is_something_to_schedule():
    sessions = draw()
    stay = sessions.departure_step - sessions.arrival_step
    power_kw = np.where(sessions.charger < 112, 2.0, 3.0) * 0.95
    assert np.mean(stay - requested_kwh(sessions) / power_kw >= 1) > 0.5
    assert np.mean(stay >= 6) == pytest.approx(0.05, abs=0.01)  # staff
    assert stay.min() == 1
    assert stay.max() == 9


def test_cars_come_all_day_and_fewest_chargers_stand_idle_when_the_mall_is_full():
    sessions = draw(n_days=60)
    arrivals = np.bincount(sessions.arrival_step % 24, minlength=24) / 60
    assert (arrivals[9:22] > 20).all()
    occupied = np.zeros(24)
    for arrival, departure in zip(sessions.arrival_step % 24, (sessions.departure_step - 1) % 24, strict=True):
        occupied[arrival : departure + 1] += 1 / 60
    assert occupied[9:22].max() < 128
    assert occupied[[9, 21]].max() < occupied[10:21].min()  # it fills after opening and empties before closing


def test_states_of_charge_vary_around_the_means_of_the_fleet():
    sessions = draw(n_days=60)
    for fleet, mine in ((MOTO, sessions.charger < 112), (MOTOTAXI, sessions.charger >= 112)):
        assert sessions.arrival_soc[mine].mean() == pytest.approx(fleet.arrival_soc, abs=0.005)
        assert sessions.required_soc[mine].mean() == pytest.approx(fleet.required_soc, abs=0.005)
        assert sessions.arrival_soc[mine].std() == pytest.approx(CHARGING.arrival_soc_std, rel=0.05)
        assert sessions.required_soc[mine].std() == pytest.approx(CHARGING.required_soc_std, rel=0.05)


def test_energy_requested_is_limited_by_need_and_by_the_stay():
    # Moto, 2.5 kWh: 0.2 to 0.9 needs 1.75 kWh; an hour gives 2 x 0.95 = 1.9 kWh. 0.1 to 1 needs 2.25 kWh > 1.9.
    energy = energy_requested(np.array([0.2, 0.1, 0.1]), np.array([0.9, 1.0, 1.0]), np.array([1, 1, 2]), MOTO, 0.95)
    np.testing.assert_allclose(energy, [1.75, 1.9, 2.25])


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    opening=st.integers(0, 20),
    hours_open=st.integers(2, 23),
    share=st.floats(0.05, 0.6),
    arrival_std=st.floats(0, 0.3),
    required_std=st.floats(0, 0.3),
    data=st.data(),
)
def test_any_params_give_valid_sessions(seed, opening, hours_open, share, arrival_std, required_std, data):
    closing = min(opening + hours_open, 24)
    n_open = closing - opening
    stays = {}
    for who in ("staff", "customer"):
        shortest = data.draw(st.integers(1, n_open))
        longest = data.draw(st.integers(shortest, n_open))
        mean = data.draw(st.floats(shortest, longest))
        stays |= {f"{who}_stay_hours": (shortest, longest), f"{who}_stay_mean_hours": mean}
    changes = {
        "opening_hour": opening,
        "closing_hour": closing,
        "arrival_soc_std": arrival_std,
        "required_soc_std": required_std,
        "staff_share": data.draw(st.floats(0, 0.25)),
        "energy_requested_kwh_per_day": 25 * share,  # 6 motos and 3 mototaxis
        "fleets": {
            "moto": MOTO.model_copy(update={"n_chargers": 6}),
            "mototaxi": MOTOTAXI.model_copy(update={"n_chargers": 3}),
        },
    }
    charging = CHARGING.model_copy(update=stays | changes)
    try:
        sessions = generate_sessions(charging, np.random.default_rng(seed), 4)
    except ValueError as error:
        assert "can request at most" in str(error)  # noqa: PT017 - long stays leave room for few cars
        return
    assert_valid(sessions, charging, 4, 9)


def test_sessions_of_a_site_that_is_open_almost_all_day_have_a_free_row_between_them():
    charging = CHARGING.model_copy(update={"opening_hour": 0, "closing_hour": 23})
    assert_valid(generate_sessions(charging, np.random.default_rng(0), 30), charging, 30, 128)


def test_the_same_seed_gives_the_same_sessions_and_another_seed_others():
    first, same, other = draw(1, 3), draw(1, 3), draw(2, 3)
    assert all(np.array_equal(value, getattr(same, name)) for name, value in vars(first).items())
    assert not np.array_equal(first.arrival_soc, other.arrival_soc)


def test_more_energy_than_the_chargers_can_pass_on_is_refused():
    with pytest.raises(ValueError, match=r"energy_requested_kwh_per_day is 2000, .* fleets.moto; its 112 chargers can"):
        draw(energy_requested_kwh_per_day=2000.0)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"customer_stay_mean_hours": 6.0}, r"customer_stay_mean_hours is 6.0, outside customer_stay_hours \[1, 5\]"),
        ({"staff_stay_mean_hours": 5.0}, r"staff_stay_mean_hours is 5.0, outside staff_stay_hours \[6, 9\]"),
        (
            {"staff_share": 0.5},
            "staff_share is 0.5; with fleets.moto.sessions_per_charger_day 3.9 these are 1.95 staff",
        ),
    ],
)
def test_params_that_leave_no_way_are_refused(changes, match):
    content = read_yaml(PARAMS)
    content["site"]["charging"] |= changes
    with pytest.raises(ParamsError, match=match):
        validate_params(content, "params.yaml")
