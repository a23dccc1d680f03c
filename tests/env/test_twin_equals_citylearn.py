from dataclasses import fields, replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from iquitos_citylearn.env.citylearn import CityLearnSimulator
from iquitos_citylearn.env.simulator import StepResult
from iquitos_citylearn.env.twin import Twin
from iquitos_citylearn.site.citylearn_files.reader import read_dataset
from iquitos_citylearn.site.citylearn_files.writer import write_dataset
from iquitos_citylearn.site.model import Battery, flat_efficiency
from tests.sites import random_site

BESS = ("automatic", "agent", "none")
DAY = 24


def random_actions(rng, site):
    """Nothing, full power, a trickle below the minimum power, anything."""
    shape = (site.n_steps, site.n_chargers)
    kind = rng.integers(0, 4, shape)
    charger = np.choose(kind, [np.zeros(shape), np.ones(shape), 0.05 * rng.random(shape), rng.random(shape)])
    if site.bess_dispatch != "agent":
        return charger, np.zeros(site.n_steps)
    return charger, np.clip(rng.normal(0.0, 1.0, site.n_steps), -1.0, 1.0)


def stored(site, folder):
    write_dataset(site, folder)
    schema = folder / "schema.json"
    return schema, read_dataset(schema)


def assert_equal(left, right, where):
    for item in fields(StepResult):
        np.testing.assert_array_equal(
            getattr(left, item.name), getattr(right, item.name), err_msg=f"{item.name} at {where}", strict=True
        )


def assert_same_run(left, right, charger_actions, bess_actions):
    """Run two simulators side by side; every value must be equal with ==."""
    for charger, bess in zip(charger_actions, bess_actions, strict=True):
        step = left.time_step
        assert right.time_step == step
        assert right.bess_soc == left.bess_soc, step
        np.testing.assert_array_equal(right.ev_soc, left.ev_soc, err_msg=f"before step {step}")
        assert_equal(left.step(charger, bess), right.step(charger, bess), step)
    assert (left.time_step, left.bess_soc) == (right.time_step, right.bess_soc)
    np.testing.assert_array_equal(right.ev_soc, left.ev_soc)


@settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(seed=st.integers(0, 2**32 - 1), bess=st.sampled_from(BESS), plain=st.booleans(), limited=st.booleans())
def test_small_sites(tmp_path_factory, seed, bess, plain, limited):
    rng = np.random.default_rng(seed)
    site = random_site(rng, int(rng.integers(1, 4)), int(rng.integers(26, 60)), bess=bess, plain=plain)
    if limited and bess != "automatic":
        site = replace(site, import_limit_kw=float(rng.uniform(0, 60)))
    schema, site = stored(site, tmp_path_factory.mktemp("site"))
    assert_same_run(Twin(site), CityLearnSimulator(schema, site, check_invariants=True), *random_actions(rng, site))


def large_site(n_days):
    """128 chargers with the shape of the default site, and a battery that both fills and empties."""
    site = random_site(np.random.default_rng(5), 128, DAY * n_days, plain=True, busy_share=1.0, longest_stay=5)
    bess = Battery(
        energy_capacity_kwh=800.0,
        nominal_power_kw=150.0,
        initial_soc=0.5,
        depth_of_discharge=0.7414,
        power_efficiency_curve=flat_efficiency(0.9),
    )
    return replace(site, bess=bess, load_kwh=site.load_kwh * 2.0, pv_kwh=site.pv_kwh * 4.0)


def test_128_chargers_under_an_import_limit(tmp_path):
    site = replace(large_site(3), bess_dispatch="agent", import_limit_kw=200.0)
    schema, site = stored(site, tmp_path)
    rng = np.random.default_rng(6)
    assert_same_run(Twin(site), CityLearnSimulator(schema, site), *random_actions(rng, site))


@pytest.mark.parametrize("n_days", [14, pytest.param(365, marks=pytest.mark.long)])
def test_128_chargers(tmp_path, n_days):
    schema, site = stored(large_site(n_days), tmp_path)
    rng = np.random.default_rng(6)
    assert_same_run(Twin(site), CityLearnSimulator(schema, site), *random_actions(rng, site))


@pytest.fixture(scope="module")
def year(tmp_path_factory):
    """Four days whose nights are free of cars, with batteries that lose but do not fade, and a whole run of them."""
    rng = np.random.default_rng(8)
    site = random_site(rng, 3, 4 * DAY, plain=True, busy_share=1.0, longest_stay=4)
    day = site.sessions.arrival_step // DAY == (site.sessions.departure_step) // DAY
    sessions = replace(
        site.sessions, **{item.name: getattr(site.sessions, item.name)[day] for item in fields(site.sessions)}
    )
    site = replace(site, sessions=sessions, bess=replace(site.bess, loss_coefficient=0.01, depth_of_discharge=0.8))
    schema, site = stored(site, tmp_path_factory.mktemp("year"))
    actions, _ = random_actions(rng, site)
    twin = Twin(site)
    bess_soc_before, results = [], []
    for action in actions:
        bess_soc_before.append(twin.bess_soc)
        results.append(twin.step(action))
    return SimpleNamespace(
        schema=schema, site=site, actions=actions, results=results, bess_soc=[*bess_soc_before, twin.bess_soc]
    )


@pytest.mark.parametrize(("start", "end"), [(0, DAY), (DAY, 3 * DAY), (2 * DAY, None), (3 * DAY, 4 * DAY - 1)])
@pytest.mark.parametrize("kind", ["twin", "citylearn"])
def test_part_of_a_year_equals_the_whole(year, kind, start, end):
    arguments = (year.site, start, end, year.bess_soc[start])
    simulator = Twin(*arguments) if kind == "twin" else CityLearnSimulator(year.schema, *arguments)
    end = year.site.n_steps if end is None else end
    assert simulator.time_step == start
    for step in range(start, end):
        assert_equal(year.results[step], simulator.step(year.actions[step]), step)
    assert simulator.time_step == end
    assert simulator.bess_soc == year.bess_soc[end]
    with pytest.raises(RuntimeError, match=f"over at step {end}"):
        simulator.step(year.actions[0])


@pytest.mark.parametrize("kind", ["twin", "citylearn"])
def test_reset_repeats_the_run(year, kind):
    simulator = Twin(year.site) if kind == "twin" else CityLearnSimulator(year.schema, year.site)
    for _ in range(2):
        for step in range(20):
            assert_equal(year.results[step], simulator.step(year.actions[step]), step)
        simulator.reset()
        assert simulator.time_step == 0
        assert simulator.bess_soc == year.bess_soc[0]


def test_action_without_effect_is_refused(year):
    twin = Twin(year.site)
    n = year.site.n_chargers
    with pytest.raises(ValueError, match=r"charger_action has shape \(2,\); it must be \(3,\)"):
        twin.step(np.zeros(n - 1))
    for value in (np.nan, -0.1, 1.1):
        with pytest.raises(ValueError, match=f"step 0: the action of charger_002 is {value}, outside 0 to 1"):
            twin.step(np.array([0.0, value, 0.0]))
    with pytest.raises(ValueError, match=r"bess_action is 0\.5, outside 0 to 0"):
        twin.step(np.zeros(n), 0.5)


def test_part_that_cannot_be_run_alone_is_refused(year):
    site = year.site
    first = int(site.sessions.arrival_step[np.argmax(site.sessions.departure_step - site.sessions.arrival_step)])
    for start, end in ((-1, 5), (5, 5), (0, site.n_steps + 1)):
        with pytest.raises(ValueError, match="start_step < end_step <= 96 does not hold"):
            Twin(site, start, end, 0.5)
    with pytest.raises(ValueError, match="bess_soc must be given"):
        Twin(site, DAY)
    with pytest.raises(ValueError, match=r"bess_soc is 1\.5, outside 0 to 1"):
        Twin(site, 0, None, 1.5)
    with pytest.raises(ValueError, match="no stationary battery"):
        Twin(replace(site, bess=None, bess_dispatch="none"), 0, None, 0.5)
    with pytest.raises(ValueError, match=r"a car is connected to charger_00\d across it"):
        Twin(site, first + 1, None, 0.5)
    with pytest.raises(ValueError, match="the battery of bess fades"):
        Twin(replace(site, bess=replace(site.bess, capacity_loss_coefficient=1e-5)), DAY, None, 0.5)


def test_citylearn_is_held_to_the_site(year):
    sessions = year.site.sessions
    later = replace(sessions, arrival_step=sessions.arrival_step + (np.arange(len(sessions)) == 0))
    simulator = CityLearnSimulator(year.schema, replace(year.site, sessions=later))
    first = int(sessions.arrival_step[0])
    for step in range(first):
        simulator.step(year.actions[step])
    with pytest.raises(RuntimeError, match=f"step {first}: CityLearn and the site disagree .* at charger_001"):
        simulator.step(year.actions[first])
    with pytest.raises(ValueError, match="actions are not those of the site: electrical_storage"):
        CityLearnSimulator(year.schema, replace(year.site, bess_dispatch="agent"))
