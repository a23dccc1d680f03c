"""Many years at once: a Stable-Baselines3 VecEnv whose step is one compiled call."""

from collections.abc import Iterable, Sequence
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvObs, VecEnvStepReturn

from iquitos_citylearn.env.batch import Batch
from iquitos_citylearn.env.physics import dispatches_bess
from iquitos_citylearn.env.setting import Setting, make_spaces
from iquitos_citylearn.site.clock import HOURS_PER_DAY
from iquitos_citylearn.site.model import FloatArray

HIGHEST_START_PEAK = 0.5
"""Largest month's peak at which a training starts within a year, over the scale of levels."""


class ChargingVecEnv(VecEnv):
    """Environments that each run one year after another, drawn from the years of a setting.

    Parameters
    ----------
    setting : Setting
        From `setting.make_setting`.
    n_envs : int
        Number of environments.
    seed : int
        Decides which year each episode is.
    reward_per_charger : bool
        Return each action's part of the reward, shape (n_envs, n_actions), for learners that take it
        (`agents.per_charger`); else the reward, shape (n_envs,). No car is connected when a year ends, so no charger
        has a value to bootstrap from, and the end is not marked as a truncation.
    """

    render_mode: str | None = None

    def __init__(self, setting: Setting, n_envs: int, seed: int, *, reward_per_charger: bool = False) -> None:
        self.reward_per_charger = reward_per_charger
        self.setting = setting
        self.with_bess = dispatches_bess(setting.equipment)
        observation_space, action_space = make_spaces(setting)
        super().__init__(n_envs, observation_space, action_space)
        self._n_steps = setting.years.session_of.shape[1]
        self.rng = np.random.default_rng(seed)
        self._batch = Batch(setting, n_envs)
        self.state, self.outputs = self._batch.state, self._batch.outputs
        self._actions: FloatArray = np.zeros((n_envs, *action_space.shape))

    def reset(self) -> VecEnvObs:
        """Start a newly drawn year in every environment; with a battery under the agent somewhere within it.

        What such a battery is worth depends on the day of the month, and environments that all begin in January would
        see few of them.
        """
        for e in range(self.num_envs):
            if self.with_bess:
                self._start_within_year(e)
            else:
                self._start_year(e)
        return self.outputs.observation.copy()

    def step_async(self, actions: NDArray[np.float32]) -> None:
        """Take the actions of the next step."""
        self._actions = np.array(actions, dtype=np.float64)

    def step_wait(self) -> VecEnvStepReturn:
        """Step all environments; a finished year is followed by a new one, as Stable-Baselines3 expects.

        Raises
        ------
        ValueError, FloatingPointError
            If the actions have a wrong shape or are not finite; nothing is stepped then.
        """
        self._batch.step(self._actions)
        done = self.state.time_step >= self._n_steps
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for e in done.nonzero()[0]:
            infos[e] = {
                "terminal_observation": self.outputs.observation[e].copy(),
                "TimeLimit.truncated": not self.reward_per_charger,
            }
            self._start_year(int(e))
        reward = self.outputs.charger_reward if self.reward_per_charger else self.outputs.reward
        return self.outputs.observation.copy(), reward.astype(np.float32), done, infos

    def close(self) -> None:
        """Release nothing: there are no processes or files."""

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """Return an attribute, the same for every environment."""
        return [getattr(self, attr_name) for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Refuse: environments share their attributes."""
        raise NotImplementedError(
            f"environments of a {type(self).__name__} share {attr_name}; it can't be set for some"
        )

    def env_method(
        self,
        method_name: str,
        *method_args: Any,
        indices: VecEnvIndices = None,
        **method_kwargs: Any,
    ) -> list[Any]:
        """Refuse: there is one object for all environments."""
        raise NotImplementedError(f"a {type(self).__name__} has no separate environments to call {method_name} on")

    def env_is_wrapped(
        self, wrapper_class: type[gymnasium.Wrapper[Any, Any, Any, Any]], indices: VecEnvIndices = None
    ) -> list[bool]:
        """Return False for each: nothing is wrapped."""
        del wrapper_class
        return [False for _ in self._get_indices(indices)]

    def _get_indices(self, indices: VecEnvIndices) -> Iterable[int]:
        chosen: Sequence[int] | Iterable[int] = super()._get_indices(indices)
        return chosen

    def _start_year(self, e: int) -> None:
        self._batch.start_year(e, self._drawn_year())

    def _start_within_year(self, e: int) -> None:
        """Start at a drawn midnight, when no car is connected, with a drawn charge and month's peak."""
        store, scale_kw = self.setting.lookahead.store, self.setting.lookahead.scale_kw
        year = self._drawn_year()
        step = HOURS_PER_DAY * int(self.rng.integers(max(1, self._n_steps // HOURS_PER_DAY)))
        soc = self.rng.uniform(store.min_kwh / store.capacity_kwh, 1.0)
        peak_kw = self.rng.uniform(0.0, HIGHEST_START_PEAK * scale_kw)
        self._batch.start_within(e, year, step, soc, peak_kw)

    def _drawn_year(self) -> int:
        return int(self.rng.integers(self.setting.years.load_kwh.shape[0]))
