"""A batch of environments, stepped by an hour in one compiled call.

To unpack a tuple of some sixty arrays at each call from Python would cost more than the step itself. The compiled code
unpacks it once, and each step passes one reference.
"""

from typing import NamedTuple, Self

import numpy as np
from numba import types
from numba.experimental import structref
from numpy.typing import NDArray

from iquitos_citylearn.env.action import check_agent_actions
from iquitos_citylearn.env.hour import observe, write_reward, write_simulator_actions
from iquitos_citylearn.env.kernels import inner_kernel, kernel
from iquitos_citylearn.env.physics import State, advance_env, apply_actions_env, make_state, reset_env, start_env
from iquitos_citylearn.env.reward import N_TERMS
from iquitos_citylearn.env.setting import Setting, make_spaces
from iquitos_citylearn.site.model import FloatArray


class Outputs(NamedTuple):
    """Results of a step of E environments, apart from their state.

    Attributes
    ----------
    observation : ndarray of float32, shape (E, n_observations)
        Observation after the step.
    reward : ndarray, shape (E,)
        Rewards of the step.
    terms : ndarray, shape (E, 5)
        Their weighted terms.
    charger_reward : ndarray, shape (E, n_actions)
        Each charger's part of the reward, then the battery's where the agent dispatches it.
    charger_action : ndarray, shape (E, n_chargers)
        The actions as CityLearn takes them.
    bess_action : ndarray, shape (E,)
        The same of the stationary battery; 0 where no agent dispatches it.
    ev_soc_before, ev_soc_after : ndarray, shape (E, n_chargers)
        SOC of the connected cars before and after the action, 0 where none.
    bess_soc_after : ndarray, shape (E,)
        SOC of the stationary battery after the action.
    """

    observation: NDArray[np.float32]
    reward: FloatArray
    terms: FloatArray
    charger_reward: FloatArray
    charger_action: FloatArray
    bess_action: FloatArray
    ev_soc_before: FloatArray
    ev_soc_after: FloatArray
    bess_soc_after: FloatArray


class Batch:
    """Environments side by side.

    Parameters
    ----------
    setting : Setting
        From `setting.make_setting`.
    n_envs : int
        Number of environments.

    Attributes
    ----------
    state : State
        Their state, in arrays shared with the compiled code.
    outputs : Outputs
        Results of the last step; after the start of a year only the observation is new. Shared arrays as well.
    """

    def __init__(self, setting: Setting, n_envs: int) -> None:
        self.setting = setting
        self.state = make_state(n_envs, setting.years.session_of.shape[2])
        self.outputs = _make_outputs(setting, n_envs)
        self._held = _hold(setting, self.state, self.outputs)

    def start_year(self, e: int, year: int) -> None:
        """Put environment e at the start of a year and write its observation."""
        _reset_and_observe(self.setting, self.state, self.outputs, e, year)

    def start_within(self, e: int, year: int, step: int, bess_soc: float, peak_kw: float) -> None:
        """Put environment e before a step of a year, with a battery and a month's peak that it might have by then.

        Cars connected at that step count as arriving in it.
        """
        _start_and_observe(self.setting, self.state, self.outputs, e, year, step, bess_soc, peak_kw)

    def step(self, actions: NDArray[np.float32] | FloatArray) -> None:
        """Step every environment by an hour and fill the outputs.

        Parameters
        ----------
        actions : ndarray, shape (n_envs, n_actions)
            Agents' actions in [-1, 1].

        Raises
        ------
        ValueError, FloatingPointError
            From `action.check_agent_actions`; nothing is stepped then.
        """
        shape = self.outputs.charger_reward.shape
        if actions.shape != shape or not _step_batch(self._held, actions):
            check_agent_actions(actions, shape[1], self.state.time_step)


@structref.register
class _HeldType(types.StructRef):
    """Numba's type of `_Held`."""


class _Held(structref.StructRefProxy):
    """Setting, state and outputs as one object of the compiled code, which shares their arrays."""

    setting: Setting
    state: State
    outputs: Outputs

    def __new__(cls, setting: Setting, state: State, outputs: Outputs) -> Self:
        """Hand the arrays over."""
        held: Self = super().__new__(cls, setting, state, outputs)  # type: ignore[no-untyped-call]
        return held


structref.define_proxy(_Held, _HeldType, ["setting", "state", "outputs"])  # type: ignore[no-untyped-call]


def _make_outputs(setting: Setting, n_envs: int) -> Outputs:
    """Return outputs to be filled."""
    observation_space, action_space = make_spaces(setting)
    per_charger = (n_envs, setting.years.session_of.shape[2])
    return Outputs(
        observation=np.zeros((n_envs, observation_space.shape[0]), dtype=np.float32),
        reward=np.zeros(n_envs),
        terms=np.zeros((n_envs, N_TERMS)),
        charger_reward=np.zeros((n_envs, action_space.shape[0])),
        charger_action=np.zeros(per_charger),
        bess_action=np.zeros(n_envs),
        ev_soc_before=np.zeros(per_charger),
        ev_soc_after=np.zeros(per_charger),
        bess_soc_after=np.zeros(n_envs),
    )


@kernel()
def _reset_and_observe(setting: Setting, state: State, outputs: Outputs, e: int, year: int) -> None:
    reset_env(setting.equipment, setting.years, state, e, year)
    state.peak_kw[e] = 0.0
    _observe(setting, state, outputs, e)


@kernel()
def _start_and_observe(
    setting: Setting, state: State, outputs: Outputs, e: int, year: int, step: int, bess_soc: float, peak_kw: float
) -> None:
    start_env(setting.equipment, setting.years, state, e, year, step, bess_soc)
    state.peak_kw[e] = peak_kw
    _observe(setting, state, outputs, e)


@kernel(_nrt=True)
def _hold(setting: Setting, state: State, outputs: Outputs) -> _Held:
    return _Held(setting, state, outputs)


@kernel(_nrt=True)
def _step_batch(held: _Held, actions: NDArray[np.float32] | FloatArray) -> bool:
    """Step every environment, or none and return False where an action is not finite."""
    finite = True
    for e in range(actions.shape[0]):
        for a in range(actions.shape[1]):
            finite &= np.isfinite(actions[e, a])
    if not finite:
        return False
    _step_all(held.setting, held.state, held.outputs, actions)
    return True


@inner_kernel
def _step_all(setting: Setting, state: State, outputs: Outputs, actions: NDArray[np.float32] | FloatArray) -> None:
    equipment, years = setting.equipment, setting.years
    for e in range(actions.shape[0]):
        y, t, bess_soc = state.year[e], state.time_step[e], state.bess_soc[e]
        before, after, charger_action = outputs.ev_soc_before[e], outputs.ev_soc_after[e], outputs.charger_action[e]
        _copy_row(before, state.ev_soc, e)
        bess_action = write_simulator_actions(
            charger_action, setting, y, t, before, bess_soc, state.peak_kw[e], actions[e]
        )
        outputs.bess_action[e] = bess_action
        apply_actions_env(equipment, years, state, e, charger_action, bess_action)
        _copy_row(after, state.ev_soc, e)
        outputs.bess_soc_after[e] = state.bess_soc[e]
        outputs.reward[e], state.peak_kw[e] = write_reward(
            outputs.terms[e],
            outputs.charger_reward[e],
            setting,
            y,
            t,
            state.net_kwh[e],
            bess_soc,
            state.bess_soc[e],
            state.peak_kw[e],
            before,
            after,
        )
        advance_env(equipment, years, state, e)
        _observe(setting, state, outputs, e)


@inner_kernel
def _observe(setting: Setting, state: State, outputs: Outputs, e: int) -> None:
    y, t, peak_kw = state.year[e], state.time_step[e], state.peak_kw[e]
    observe(outputs.observation[e], setting, y, t, state.ev_soc[e], state.bess_soc[e], peak_kw)


@inner_kernel
def _copy_row(out: FloatArray, rows: FloatArray, e: int) -> None:
    """Write row e; Numba's assignment of an array to a slice would allocate."""
    for c in range(out.shape[0]):
        out[c] = rows[e, c]
