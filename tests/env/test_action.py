import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from iquitos_citylearn.agents.networks import mapped_share
from iquitos_citylearn.env.action import MAPPINGS, check_agent_actions, mapping_code, write_charger_actions
from iquitos_citylearn.env.gym import ChargingEnv
from iquitos_citylearn.env.physics import make_equipment, make_years
from iquitos_citylearn.env.twin import Twin
from tests.small import hand_site, setting_of

# Chargers of `hand_site`: 2 kW at efficiency 0.5 into 4 kWh, so an hour at full power is 0.25 of the SOC; the car at
# charger 0 needs 0.125 of it, 0.5 kWh, which is half an hour at full power.
HALF_HOUR_NEEDED = [(0, 0, 10, 0.25, 0.375)]


def share(mapping, action, needed_soc=0.125, soc=0.25):
    """Return the charger action for one agent's action of a car that needs `needed_soc` more."""
    site = hand_site([(0, 0, 10, soc, soc + needed_soc)])
    out = np.zeros(2)
    write_charger_actions(
        out,
        make_equipment(site),
        make_years([site]),
        mapping_code(mapping),
        0,
        0,
        np.array([soc, 0.0]),
        np.array([action, action], dtype=np.float32),
    )
    assert out[1] == 0.0, "a charger without a car"
    return float(out[0])


@pytest.mark.parametrize(
    ("mapping", "action", "expected"),
    [
        ("raw", -1.0, 0.0),
        ("raw", 0.0, 0.5),  # u = 0.5
        ("raw", 1.0, 1.0),
        ("dead_zones", -0.9, 0.0),  # u = 0.05
        ("dead_zones", 0.0, 0.5),
        ("dead_zones", 0.45, 0.75),  # u = 0.725, 0.675 of 0.9
        ("dead_zones", 0.9, 1.0),
        ("need_limited", -1.0, 0.0),
        ("need_limited", 0.0, 0.25),  # u f = 0.5 x 0.5
        ("need_limited", 1.0, 0.5),  # f
        ("three_segment", -1.0, 0.0),
        ("three_segment", -0.4, 0.25),  # u = 0.3: f u / 0.6 = 0.5 x 0.5
        ("three_segment", 0.2, 0.5),  # u = 0.6: f
        ("three_segment", 0.4, 0.5),  # u = 0.7: still f
        ("three_segment", 0.6, 0.5),  # u = 0.8: still f
        ("three_segment", 0.8, 0.75),  # u = 0.9: f + (1 - f) x 0.5
        ("three_segment", 1.0, 1.0),
    ],
)
def test_corner_points_with_half_an_hour_needed(mapping, action, expected):
    assert share(mapping, action) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("mapping", "needed_soc", "action", "expected"),
    [
        ("raw", 0.0, 1.0, 1.0),  # raw knows no need
        ("need_limited", 0.0, 1.0, 0.0),
        ("need_limited", -0.125, 1.0, 0.0),  # above its need: nothing, never less than nothing
        ("need_limited", 0.75, 1.0, 1.0),  # three hours needed: full power
        ("three_segment", 0.0, 0.4, 0.0),  # nothing needed, nothing given
        ("three_segment", 0.0, 0.8, 0.5),  # but overcharging stays possible
        ("three_segment", 0.75, 0.4, 1.0),
        ("three_segment", 0.75, -0.4, 0.5),
        ("three_segment", 0.75, 1.0, 1.0),
    ],
)
def test_corner_points_with_nothing_and_with_more_than_an_hour_needed(mapping, needed_soc, action, expected):
    assert share(mapping, action, needed_soc) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_actions_beyond_the_bounds_are_clipped(mapping):
    assert share(mapping, -7.0) == share(mapping, -1.0)
    assert share(mapping, 7.0) == share(mapping, 1.0)


@given(
    mapping=st.sampled_from(list(MAPPINGS)),
    pair=st.tuples(st.floats(-1, 1, width=32), st.floats(-1, 1, width=32)),
    needed_soc=st.floats(-0.25, 0.75),
)
@settings(deadline=None, max_examples=200)
def test_more_action_never_charges_less_and_stays_a_share(mapping, pair, needed_soc):
    low, high = share(mapping, min(pair), needed_soc), share(mapping, max(pair), needed_soc)
    assert 0.0 <= low <= high <= 1.0


@given(
    mapping=st.sampled_from(list(MAPPINGS)),
    action=st.floats(-1, 1, width=32),
    needed_soc=st.floats(0, 0.25),
)
@settings(deadline=None, max_examples=300)
def test_the_critics_tensors_say_what_the_compiled_mapping_says(mapping, action, needed_soc):
    u = torch.tensor(0.5 * (float(np.float32(action)) + 1.0), dtype=torch.float64)
    # (SOC + need) - SOC is what the compiled function sees; an hour at full power is 0.25.
    needed = torch.tensor(((0.25 + needed_soc) - 0.25) / 0.25, dtype=torch.float64)
    assert share(mapping, action, needed_soc) == pytest.approx(float(mapped_share(mapping, u, needed)), abs=1e-12)


def run_constant(params, mapping, action):
    """Return consumption and SOC of charger 0 over a stay of 10 h that needs half an hour."""
    site = hand_site(HALF_HOUR_NEEDED, n_steps=24)
    env = ChargingEnv(Twin(site), setting_of(site, params, mapping))
    env.reset()
    results = [env.step(np.full(2, action, np.float32))[4]["result"] for _ in range(10)]
    return [float(r["charger_kwh"][0]) for r in results], [float(r["ev_soc"][0]) for r in results]


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_the_lowest_action_charges_nothing(params, mapping):
    kwh, soc = run_constant(params, mapping, -1.0)
    assert kwh == [0.0] * 10
    assert soc == [0.25] * 10


@pytest.mark.parametrize("mapping", ["raw", "dead_zones", "three_segment"])
def test_the_highest_action_charges_at_full_power_until_full(params, mapping):
    kwh, soc = run_constant(params, mapping, 1.0)
    # 0.75 of the SOC are three hours of 2 kWh each.
    assert kwh == [2.0, 2.0, 2.0, *[0.0] * 7]
    assert soc == [0.5, 0.75, *[1.0] * 8]


def test_the_highest_need_limited_action_charges_to_the_need_at_once_and_never_beyond(params):
    kwh, soc = run_constant(params, "need_limited", 1.0)
    assert kwh == [1.0, *[0.0] * 9]
    assert soc == [0.375] * 10


def test_an_unknown_mapping_lists_the_valid_ones(params):
    with pytest.raises(ValueError, match="action_mapping is 'full'; valid are raw, need_limited, three_seg"):
        setting_of(hand_site(HALF_HOUR_NEEDED), params, "full")


def test_actions_of_a_wrong_shape_or_not_finite_are_refused():
    steps = np.array([4, 9])
    check_agent_actions(np.zeros((2, 3)), 3, steps)
    with pytest.raises(ValueError, match=r"action has shape \(2, 2\); it must be \(2, 3\)"):
        check_agent_actions(np.zeros((2, 2)), 3, steps)
    with pytest.raises(ValueError, match=r"action has shape \(3,\); it must be \(2, 3\)"):
        check_agent_actions(np.zeros(3), 3, steps)
    for value in (np.nan, np.inf, -np.inf):
        actions = np.zeros((2, 3))
        actions[1, 2] = value
        with pytest.raises(FloatingPointError, match="action is not finite at step 9"):
            check_agent_actions(actions, 3, steps)
