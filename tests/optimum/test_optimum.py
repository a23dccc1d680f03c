import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iquitos_citylearn.env.arrays import session_rows
from iquitos_citylearn.optimum.fleet import make_fleet
from iquitos_citylearn.optimum.front import co2_against_peak
from iquitos_citylearn.optimum.objectives import OBJECTIVES
from iquitos_citylearn.optimum.optimiser import Optimiser
from iquitos_citylearn.optimum.program import Prices, Program
from iquitos_citylearn.policies.plans import PlanPolicy
from iquitos_citylearn.policies.rollout import roll_out, trace_year
from iquitos_citylearn.policies.rules import ConstantPolicy
from iquitos_citylearn.site.citylearn_files.writer import write_dataset
from iquitos_citylearn.site.draw_files import write_draw
from iquitos_citylearn.site.expectations import fit_expectations, write_expectations
from iquitos_citylearn.stages.baseline import evaluate_baseline
from iquitos_citylearn.stages.references import write_references
from tests.small import bess, hand_site, small_site, year_of, years_of

SOME = settings(max_examples=15, deadline=None)


def optimise(site, params, objective, **changes):
    return Optimiser(year_of(site, params, **changes)).optimum(objective)


@SOME
@given(seed=st.integers(0, 10_000), battery=st.sampled_from(["automatic", "agent", "none"]))
def test_bound_replayed_uncontrolled_in_this_order_and_every_car_served(params, seed, battery):
    site = small_site(seed, n_chargers=6, bess=battery)
    year = year_of(site, params)
    uncontrolled = roll_out(ConstantPolicy(1.0, 6), year)
    optimiser = Optimiser(year)
    for name, objective in OBJECTIVES.items():
        optimum = optimiser.optimum(name)
        rollout = roll_out(optimum.policy, year)
        assert optimum.replayed == objective.figure(rollout, year)
        assert optimum.bound <= optimum.replayed + 1e-3
        if battery == "none":
            assert optimum.bound == pytest.approx(optimum.replayed, abs=1e-3)
        assert optimum.replayed <= objective.figure(uncontrolled, year) + 1e-3
        sessions = site.sessions
        left_with = rollout.ev_soc[sessions.departure_step - 1, sessions.charger]
        needed = np.maximum(year.setting.tables.target_soc[0], year.setting.years.session_arrival_soc[0])
        row = session_rows(year.setting.years, 0, sessions)
        np.testing.assert_allclose(left_with, needed[row], rtol=0, atol=1e-6)


def test_waits_for_the_sun(params):
    # 2 kW charger, connected in hours 1 to 3, wants 4 kWh (half of 8); surplus PV of 2 kWh in hour 2 and of 1 in 3.
    # Best: 2 kWh at hour 2, 1 at hour 3 from the sun and 1 kWh from the grid, 0.5 kg. At once: hours 1 and 2, 1 kg.
    pv_kwh = np.zeros(6)
    pv_kwh[2:4] = 2.0, 1.0
    site = hand_site([(0, 1, 4, 0.0, 0.5)], n_steps=6, pv_kwh=pv_kwh)
    year = year_of(site, params)
    optimum = Optimiser(year).optimum("co2")
    assert (optimum.bound, optimum.replayed) == pytest.approx((0.5, 0.5), abs=1e-6)
    assert optimum.policy.charger_kwh[2, 0] == pytest.approx(2.0)
    assert optimum.import_kwh.sum() == pytest.approx(1.0)
    assert optimum.bess_kwh.tolist() == [0.0] * 6
    # The need-limited rule charges in hours 1 and 2: 2 kWh imported.
    rule = roll_out(ConstantPolicy(1.0, 2), year_of(site, params, mapping="need_limited"))
    assert OBJECTIVES["co2"].figure(rule, year) == pytest.approx(1.0)


def test_spreads_the_load_for_the_least_peak_and_then_waits_for_clean_hours(params):
    # 4 kWh in 4 hours: peak 1 kW, whatever the intensity. A load of 3 in the last hour makes it 3, and of the plans
    # under that the least CO2 takes hours 0 and 1 at full power, 0.25 kg each kWh.
    carbon = np.array([0.25, 0.25, 1.0, 1.0])
    flat = hand_site([(0, 0, 4, 0.0, 0.5)], n_steps=4, carbon=carbon)
    assert optimise(flat, params, "peak_import").bound == pytest.approx(1.0)
    loaded = replace(flat, load_kwh=np.array([0.0, 0.0, 0.0, 3.0]))
    optimum = optimise(loaded, params, "peak_import")
    assert (optimum.bound, optimum.replayed) == pytest.approx((3.0, 3.0), abs=1e-5)
    assert optimum.policy.charger_kwh[:, 0] == pytest.approx([2.0, 2.0, 0.0, 0.0], abs=1e-5)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_year_without_sessions_has_nothing_to_decide(params, objective):
    site = hand_site([], load_kwh=3.0, pv_kwh=1.0)
    optimum = optimise(site, params, objective)
    # 48 h of 2 kWh: 96 kWh at 0.5 kg and 0.25 USD; the reward compares with the same year.
    expected = {"co2": 48.0, "cost": 24.0, "peak_import": 2.0, "reward": 0.0}[objective]
    assert (optimum.bound, optimum.replayed) == pytest.approx((expected, expected), abs=1e-6)


def test_year_without_pv_imports_the_load_and_every_need(params):
    # Needs 4 and 6 kWh, load 48 kWh: 58 kWh at 0.5 kg.
    site = hand_site([(0, 3, 9, 0.25, 0.75), (1, 5, 9, 0.0, 0.75)], load_kwh=1.0)
    optimum = optimise(site, params, "co2")
    assert (optimum.bound, optimum.replayed) == pytest.approx((29.0, 29.0), abs=1e-5)


def test_car_that_cannot_be_served_gets_all_that_is_feasible(params):
    # 1 hour at 2 kW gives 2 of the 8 kWh that it wants.
    site = hand_site([(0, 3, 4, 0.0, 1.0)], n_steps=6)
    assert optimise(site, params, "co2").policy.charger_kwh.sum() == 2.0


def test_plan_is_replayed_twice_the_same(params):
    site = small_site(3)
    year = year_of(site, params)
    policy = Optimiser(year).optimum("co2").policy
    first, second = trace_year(policy, year)[1], trace_year(policy, year)[1]
    np.testing.assert_array_equal(first.charger_action, second.charger_action)
    np.testing.assert_allclose(
        first.charger_action, policy.charger_kwh / year.setting.equipment.max_charging_power_kw, rtol=0, atol=1e-15
    )


def test_policy_counts_hours_and_starts_again():
    policy = PlanPolicy(np.array([[0.0, 3.0], [1.0, 1.5]]), np.array([2.0, 3.0]))
    observation = np.zeros((1, 4), dtype=np.float32)
    action, state = policy.predict(observation)
    assert (action.dtype, state) == (np.float64, None)
    actions = [policy.predict(observation)[0].tolist() for _ in range(2)]
    assert [action.tolist(), *actions] == [[[-1.0, 1.0]], [[0.0, 0.0]], [[-1.0, 1.0]]]
    assert policy.predict(observation, episode_start=np.array([True]))[0].tolist() == [[-1.0, 1.0]]
    assert policy.predict(np.zeros((2, 4), dtype=np.float32))[0].tolist() == [[0.0, 0.0]] * 2


def test_reward_bound_is_the_reward_of_its_own_dispatch(params):
    # A lossless battery that is never full or empty does in the program what it does in the simulator.
    pv_kwh = np.where(np.arange(48) % 24 == 12, 10.0, 0.0)
    battery = bess(1024.0, 512.0, 0.5, efficiency_round_trip=1.0)
    site = hand_site([(0, 3, 20, 0.25, 0.75)], load_kwh=1.0, pv_kwh=pv_kwh, battery=battery)
    optimum = optimise(site, params, "reward")
    assert optimum.replayed == pytest.approx(optimum.bound, abs=1e-6)


def test_front_falls_from_the_least_peak_to_the_least_co2(params):
    site = small_site(5, n_chargers=12, bess="none")
    year = year_of(site, params)
    front = co2_against_peak(year, 12)
    optimiser = Optimiser(year)
    assert len(front) == 12
    assert front.peak_limit_kw.iloc[0] == pytest.approx(optimiser.optimum("peak_import").bound, abs=1e-5)
    assert front.co2_kg.iloc[-1] == pytest.approx(optimiser.optimum("co2").bound, rel=1e-6)
    assert (np.diff(front.co2_kg) <= 1e-6).all()
    assert (front.peak_import_kw <= front.peak_limit_kw + 1e-6).all()
    np.testing.assert_allclose(front.replayed_co2_kg, front.co2_kg, rtol=1e-5)
    np.testing.assert_allclose(front.replayed_peak_import_kw, front.peak_import_kw, rtol=1e-5)


def test_front_needs_two_points(params):
    site = small_site(1)
    with pytest.raises(ValueError, match="n_points is 1; a front has 2 at least"):
        co2_against_peak(year_of(site, params), 1)


def test_what_is_not_linear_is_refused(params):
    site = small_site(1)
    with pytest.raises(ValueError, match="action mapping 'raw'"):
        optimise(site, params, "co2", mapping="need_limited")
    with pytest.raises(ValueError, match="objective is 'money'; valid are co2, cost, peak_import, reward"):
        optimise(site, params, "money")
    with pytest.raises(ValueError, match=r"price_usd_per_kwh is -1 in step 2; a linear program needs 0 at least"):
        optimise(replace(site, price_usd_per_kwh=np.where(np.arange(72) == 2, -1.0, 0.2)), params, "cost")
    with pytest.raises(ValueError, match="overdelivery_scale is 0: a kWh beyond need must cost"):
        optimise(site, params, "reward", overdelivery_scale=0.0)
    with pytest.raises(ValueError, match="the stationary battery has curves that are not flat"):
        optimise(replace(site, bess=replace(site.bess, loss_coefficient=0.01)), params, "co2")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"min_charging_power_kw": 0.5}, "charger 2 has a minimum power"),
        ({"loss_coefficient": 0.1}, "charger 2 has a car whose battery loses charge"),
        ({"capacity_loss_coefficient": 0.1}, "charger 2 has a car whose battery fades"),
        ({"capacity_power_curve": ((0.0, 1.0), (1.0, 0.5))}, "charger 2 has a car whose battery has curves"),
    ],
)
def test_charger_or_car_that_is_not_linear_is_refused(params, change, message):
    site = small_site(1)
    first, second, third = site.chargers
    of_charger = "min_charging_power_kw" in change
    second = replace(second, **(change if of_charger else {"ev": replace(second.ev, **change)}))
    with pytest.raises(ValueError, match=message):
        optimise(replace(site, chargers=(first, second, third)), params, "co2")


def test_program_without_an_optimum_is_an_error(params):
    site = small_site(1)
    year = year_of(site, params)
    program = Program(year, make_fleet(year))
    nothing = np.zeros(site.n_steps)
    with pytest.raises(RuntimeError, match="the linear program ended as"):
        program.minimise(Prices(grid_import=nothing - 1.0, grid_export=nothing, stored=nothing))


def test_stage_writes_result_series_and_trace_with_the_bounds(params, monkeypatch, tmp_path):
    site = small_site(2)
    write_dataset(site, tmp_path / "data/site")
    for seed, year in zip(params.site.draws.evaluation_seeds, years_of(site, 2), strict=True):
        write_draw(year, tmp_path / f"data/evaluation/{seed}")
    training = years_of(site, 6)
    for seed, year in zip(params.site.draws.training_seeds, training, strict=True):
        write_draw(year, tmp_path / f"data/training/{seed}")
    write_expectations(tmp_path / "data/expectations.json", fit_expectations(training))
    monkeypatch.chdir(tmp_path)
    write_references(params)
    evaluate_baseline("optimum", params)
    result = json.loads((tmp_path / "metrics/result_OPTIMUM.json").read_text())
    assert (result["status"], result["policy"], result["kind"]) == ("complete", "optimum", "optimum")
    assert [part["max_abs_deviation"] for part in result["certification"].values()] == [0.0, 0.0]
    assert [part["n_steps"] for part in result["certification"].values()] == [72, 72]
    assert result["ev_service"] == 1.0
    for run in result["runs"]:
        assert run["captured_share_co2"] == pytest.approx(1.0, abs=1e-6)
        assert run["captured_share_cost"] <= 1.0 + 1e-6
    assert result["optimum"]["bound_out_of_reach"]
    co2 = result["optimum"]["co2"]
    assert co2["replayed"] == pytest.approx(result["co2_kg"])
    assert co2["replayed_minus_bound"] == co2["replayed"] - co2["bound"]
    assert co2["uncontrolled"] - co2["replayed"] > co2["resolution"] > 0.0
    assert set(result["optimum"]) == {*OBJECTIVES, "bound_out_of_reach"}
    for name in ("timeseries", "trace"):
        assert (tmp_path / f"metrics/simulations/{name}_OPTIMUM.csv").is_file()
