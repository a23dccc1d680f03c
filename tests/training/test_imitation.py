from dataclasses import replace

import numpy as np
import pytest
import torch

from iquitos_citylearn.agents.algorithms import make_model
from iquitos_citylearn.env.vec_env import ChargingVecEnv
from iquitos_citylearn.params import ImitationParams
from iquitos_citylearn.training.imitation import TEACHERS_MAPPING, demonstrate, imitate
from iquitos_citylearn.training.seed import make_deterministic
from tests.agents.small_agents import small_agent
from tests.small import setting_of, small_site, with_demand_charge, years_of

CHOSEN = ImitationParams(epochs=60, learning_rate=3e-3)
AGENTS = ("ppo", "a2c", "sac")


@pytest.fixture(scope="module")
def sites():
    """Years with a small battery under the agent, short every night."""
    year = with_demand_charge(small_site(4, bess="agent", n_steps=120))
    return [replace(site, bess_dispatch="agent") for site in years_of(year, 3)]


@pytest.fixture(scope="module")
def teachers_setting(sites, params):
    return setting_of(sites, params, TEACHERS_MAPPING, keys=[1, 2, 3])


def model_of(agent, sites, params, **changes):
    """Return an untrained agent over the years, and its environment."""
    make_deterministic(0)
    agent_params = small_agent(params, agent).model_copy(update={"imitation": CHOSEN} | changes)
    keys = [1, 2, 3]
    setting = setting_of(sites, params, agent_params.action_mapping, keys=keys, bess_mapping=agent_params.bess_mapping)
    env = ChargingVecEnv(setting, agent_params.n_envs, 0, reward_per_charger=True)
    return make_model(agent, agent_params, params.environment, env, 0), env


def bess_actions(model, env, site):
    """Return the battery's deterministic actions for site parts of observations, no car being there."""
    seen = np.zeros((len(site), env.observation_space.shape[0]), dtype=np.float32)
    seen[:, : site.shape[1]] = site
    return model.predict(seen, deterministic=True)[0][:, -1]


def error(model, env, site, entry):
    return float(np.mean((bess_actions(model, env, site.numpy()) - entry.numpy()) ** 2))


@pytest.mark.parametrize("agent", AGENTS)
def test_the_battery_follows_the_teacher_and_learning_is_added_to_it(agent, sites, params, teachers_setting):
    model, env = model_of(agent, sites, params)
    site, entry = demonstrate(teachers_setting, params)
    assert len(site) > 100
    untaught = error(model, env, site, entry)
    imitate(model, teachers_setting, params, CHOSEN)
    taught = error(model, env, site, entry)
    assert taught < 0.5 * untaught
    imitated = {name: value.clone() for name, value in model.policy.shared_actor().imitated.state_dict().items()}
    model.learn(200)
    for name, value in model.policy.shared_actor().imitated.state_dict().items():
        assert torch.equal(value, imitated[name]), name
    learned = bess_actions(model, env, site.numpy())
    model.policy.shared_actor().forget_battery()
    assert not np.array_equal(bess_actions(model, env, site.numpy()), learned)
    assert error(model, env, site, entry) == pytest.approx(taught, abs=1e-3)


def test_imitation_is_the_same_each_time(sites, params, teachers_setting):
    weights = []
    for _ in range(2):
        model, _ = model_of("ppo", sites, params)
        imitate(model, teachers_setting, params, CHOSEN)
        weights.append(torch.cat([value.flatten() for value in model.policy.parameters()]))
    assert torch.equal(*weights)


def test_demonstrations_keep_the_hours_in_which_there_is_a_choice(params, teachers_setting):
    site, entry = demonstrate(teachers_setting, params)
    assert len(site) < 3 * 120
    assert (entry.abs() <= 1.0).all()
    assert entry.std() > 0.0


def test_a_model_that_was_not_made_to_imitate_is_refused(sites, params, teachers_setting):
    model, _ = model_of("ppo", sites, params, imitation=None)
    assert model.policy.shared_actor().imitated is None
    with pytest.raises(ValueError, match="no part that imitates"):
        imitate(model, teachers_setting, params, CHOSEN)
