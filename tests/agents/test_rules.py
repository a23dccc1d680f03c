import numpy as np
import pytest

from iquitos_citylearn.agents.rules import RULES, ConstantPolicy
from iquitos_citylearn.cli import Agent, Policy
from iquitos_citylearn.env.action import MAPPINGS
from iquitos_citylearn.rollout import roll_out
from iquitos_citylearn.stages.baseline import OPTIMUM
from tests.small import hand_site, setting_of

# Charger 0: 2 kW and a quarter of the SOC an hour; it wants half an hour's worth and stays for ten.
SESSIONS = [(0, 2, 12, 0.25, 0.375), (0, 20, 21, 0.25, 1.0), (1, 4, 10, 0.75, 0.5)]


def run(params, name):
    site = hand_site(SESSIONS)
    rule = RULES[name]
    rollout = roll_out(ConstantPolicy(rule.action, 2), setting_of(site, params, rule.action_mapping))
    charged = {(int(t), int(c)): float(rollout.charger_kwh[t, c]) for t, c in np.argwhere(rollout.charger_kwh > 0)}
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


def test_predict_is_that_of_stable_baselines3():
    action, state = ConstantPolicy(0.25, 3).predict(np.zeros((5, 9), np.float32), None, None, deterministic=True)
    assert action.shape == (5, 3)
    assert action.dtype == np.float32
    assert (action == 0.25).all()
    assert state is None


@pytest.mark.parametrize("name", RULES)
def test_a_rule_is_a_policy_of_the_program_and_uses_a_known_mapping(name):
    assert RULES[name].action_mapping in MAPPINGS
    assert -1.0 <= RULES[name].action <= 1.0
    assert name in list(Policy)
    assert name not in list(Agent)


def test_the_program_knows_every_policy():
    assert set(Policy) == set(RULES) | set(Agent) | {OPTIMUM}
