import numpy as np
import pytest

from iquitos_citylearn.training.guards import GuardCallback
from tests.agents.small_agents import AGENTS, small_model


@pytest.mark.parametrize("agent", AGENTS)
@pytest.mark.parametrize("quantity", ["a reward", "an observation"])
def test_data_that_are_not_finite_stop_the_training_at_their_step(params, agent, quantity):
    model, agent_params = small_model(params, agent)
    setting = model.env.setting
    if quantity == "a reward":
        setting.tables.price_per_mean[:] = np.nan  # a scale of the cost term alone
    else:
        setting.tables.site_entries[:, 12:] = np.nan
    beats = []
    with pytest.raises(FloatingPointError, match=rf"step \d+: {quantity} is not finite"):
        model.learn(agent_params.total_timesteps, callback=GuardCallback(lambda: beats.append(1)))
    assert beats


@pytest.mark.parametrize("agent", ["ppo", "a2c"])
def test_a_rollout_without_a_car_is_gone_through(params, agent):
    model, agent_params = small_model(params, agent)
    years = model.env.setting.years
    years.connected_first[:] = 0
    years.session_of[:] = -1
    model.learn(agent_params.total_timesteps, callback=GuardCallback(lambda: None))
    assert np.isnan(model.logger.name_to_value["train/explained_variance"])


def test_an_action_that_is_not_finite_stops_the_training(params):
    model, _ = small_model(params, "sac")
    guard = GuardCallback(lambda: None)
    guard.init_callback(model)
    zeros = np.zeros((1, 3))
    guard.update_locals({"actions": zeros, "rewards": zeros, "new_obs": zeros})
    assert guard.on_step()
    guard.update_locals({"actions": np.array([[0.5, np.inf, 0.0]])})
    with pytest.raises(FloatingPointError, match="step 0: an action is not finite"):
        guard.on_step()
