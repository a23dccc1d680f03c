"""A batch of environments, stepped by an hour in one compiled call."""

import numba
import numpy as np
from numpy.typing import NDArray

from iquitos_citylearn.env.action import write_charger_actions
from iquitos_citylearn.env.observation import write_observation
from iquitos_citylearn.env.physics import State, advance_env, apply_actions_env, reset_env
from iquitos_citylearn.env.reward import write_reward_terms
from iquitos_citylearn.env.setting import Setting
from iquitos_citylearn.site.model import FloatArray


@numba.njit(cache=True)
def reset_and_observe(setting: Setting, state: State, e: int, year: int, observation: NDArray[np.float32]) -> None:
    """Put environment e at the start of a year and write what it sees."""
    reset_env(setting.equipment, setting.years, state, e, year)
    write_observation(
        observation[e],
        setting.equipment,
        setting.years,
        setting.tables,
        setting.horizons,
        year,
        0,
        state.ev_soc[e],
        state.bess_soc[e],
    )


@numba.njit(cache=True)
def step_batch(
    setting: Setting,
    state: State,
    actions: FloatArray,
    charger_action: FloatArray,
    ev_soc_before: FloatArray,
    observation: NDArray[np.float32],
    reward: FloatArray,
    terms: FloatArray,
) -> None:
    """Step every environment by an hour.

    Parameters
    ----------
    actions : ndarray, shape (n_envs, n_chargers)
        Agents' actions in [-1, 1].
    charger_action, ev_soc_before : ndarray of float64, shape (n_envs, n_chargers)
        Filled with what CityLearn would take, and with the SOCs it found.
    observation : ndarray of float32, shape (n_envs, n_observations)
        Filled with what is seen after the step.
    reward : ndarray of float64, shape (n_envs,)
        Filled with the rewards.
    terms : ndarray of float64, shape (n_envs, 5)
        Filled with the weighted terms.
    """
    equipment, years = setting.equipment, setting.years
    for e in range(actions.shape[0]):
        y, t = state.year[e], state.time_step[e]
        bess_soc = state.bess_soc[e]
        ev_soc_before[e] = state.ev_soc[e]
        write_charger_actions(charger_action[e], equipment, years, setting.mapping, y, t, ev_soc_before[e], actions[e])
        apply_actions_env(equipment, years, state, e, charger_action[e], 0.0)
        reward[e] = write_reward_terms(
            terms[e],
            equipment,
            years,
            setting.tables,
            setting.weighting,
            y,
            t,
            state.net_kwh[e],
            state.bess_soc[e] - bess_soc,
            ev_soc_before[e],
            state.ev_soc[e],
        )
        advance_env(equipment, years, state, e)
        write_observation(
            observation[e],
            equipment,
            years,
            setting.tables,
            setting.horizons,
            y,
            state.time_step[e],
            state.ev_soc[e],
            state.bess_soc[e],
        )
