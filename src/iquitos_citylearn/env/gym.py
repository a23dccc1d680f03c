"""Gymnasium environments of one year: `ChargingEnv` over any simulator, and `TwinEnv`, faster, over the twin."""

from dataclasses import asdict
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from iquitos_citylearn.env.action import check_agent_actions
from iquitos_citylearn.env.arrays import ONLY_ENV, ONLY_YEAR
from iquitos_citylearn.env.batch import Batch
from iquitos_citylearn.env.hour import observe, write_reward, write_simulator_actions
from iquitos_citylearn.env.reward import N_TERMS, TERMS
from iquitos_citylearn.env.setting import Setting, check_single_year, make_spaces
from iquitos_citylearn.env.simulator import Simulator


class ChargingEnv(gymnasium.Env[NDArray[np.float32], NDArray[np.float32]]):
    """A year of charging at the site, over any simulator.

    Tables of observation, action and reward are in `env/observation.py`, `env/action.py` and `env/reward.py`.

    Parameters
    ----------
    simulator : Simulator
        The twin or CityLearn, over the year of `setting`.
    setting : Setting
        A year, from `setting.make_setting` or `setting.single_year`.

    Raises
    ------
    ValueError
        If the setting has more than one year.

    Notes
    -----
    The year ends by truncation, since nothing ends at the site. `info` holds the reward terms, the actions of chargers
    and battery as CityLearn takes them, and the fields of the simulator's `StepResult`.
    """

    metadata = {"render_modes": []}  # noqa: RUF012 - Gymnasium's own declaration

    def __init__(self, simulator: Simulator, setting: Setting) -> None:
        check_single_year(setting)
        self.simulator = simulator
        self.setting = setting
        self.observation_space, self.action_space = make_spaces(setting)  # type: ignore[assignment]  # Boxes of float32
        self._n_observations = int(np.prod(self.observation_space.shape or ()))
        self._charger_action = np.zeros(simulator.site.n_chargers)
        self._charger_reward = np.zeros(self.action_space.shape or ())
        self._peak_kw = 0.0
        self._terms = np.zeros(N_TERMS)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Start the year again; the year itself holds no randomness."""
        super().reset(seed=seed, options=options)
        self.simulator.reset()
        self._peak_kw = 0.0
        return self._observation(), {}

    def step(self, action: NDArray[np.float32]) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Charge for one hour.

        Raises
        ------
        RuntimeError
            If the year is over.
        ValueError, FloatingPointError
            If the action has a wrong shape or is not finite.
        """
        setting, simulator = self.setting, self.simulator
        t = simulator.time_step
        if t >= simulator.site.n_steps:
            raise RuntimeError(f"the year is over at step {t}: reset first")
        check_agent_actions(np.asarray(action)[None], len(self._charger_reward), np.array([t]))
        ev_soc, bess_soc = simulator.ev_soc.copy(), simulator.bess_soc
        bess_action = float(
            write_simulator_actions(
                self._charger_action, setting, ONLY_YEAR, t, ev_soc, bess_soc, self._peak_kw, action
            )
        )
        result = simulator.step(self._charger_action, bess_action)
        reward, self._peak_kw = write_reward(
            self._terms,
            self._charger_reward,
            setting,
            ONLY_YEAR,
            t,
            result.net_kwh,
            bess_soc,
            result.bess_soc,
            self._peak_kw,
            ev_soc,
            result.ev_soc,
        )
        truncated = simulator.time_step >= simulator.site.n_steps
        info = {
            "terms": dict(zip(TERMS, self._terms.tolist(), strict=True)),
            "charger_action": self._charger_action.copy(),
            "bess_action": bess_action,
            "result": asdict(result),
        }
        return self._observation(), float(reward), False, truncated, info

    def _observation(self) -> NDArray[np.float32]:
        simulator, out = self.simulator, np.empty(self._n_observations, dtype=np.float32)
        observe(out, self.setting, ONLY_YEAR, simulator.time_step, simulator.ev_soc, simulator.bess_soc, self._peak_kw)
        return out


class TwinEnv(gymnasium.Env[NDArray[np.float32], NDArray[np.float32]]):
    """A year of charging over the twin: equal to `ChargingEnv` over `Twin` bit for bit, in one compiled call a step.

    Parameters
    ----------
    setting : Setting
        A year, from `setting.make_setting` or `setting.single_year`.

    Raises
    ------
    ValueError
        If the setting has more than one year.
    """

    metadata = {"render_modes": []}  # noqa: RUF012 - Gymnasium's own declaration

    def __init__(self, setting: Setting) -> None:
        check_single_year(setting)
        self.setting = setting
        self.observation_space, self.action_space = make_spaces(setting)  # type: ignore[assignment]  # Boxes of float32
        self._n_steps = setting.years.session_of.shape[1]
        self._batch = Batch(setting, 1)
        self._step = self._n_steps

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Start the year again; the year itself holds no randomness."""
        super().reset(seed=seed, options=options)
        self._batch.start_year(ONLY_ENV, ONLY_YEAR)
        self._step = 0
        return self._batch.outputs.observation[ONLY_ENV].copy(), {}

    def step(self, action: NDArray[np.float32]) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Charge for one hour; raises what `ChargingEnv.step` raises."""
        if self._step >= self._n_steps:
            raise RuntimeError(f"the year is over at step {self._step}: reset first")
        self._batch.step(np.asarray(action)[None])
        self._step += 1
        outputs = self._batch.outputs
        reward, truncated = outputs.reward.item(), self._step >= self._n_steps
        return outputs.observation[ONLY_ENV].copy(), reward, False, truncated, self._info()

    def _info(self) -> dict[str, Any]:
        state, outputs = self._batch.state, self._batch.outputs
        result = {
            "net_kwh": state.net_kwh.item(),
            "bess_kwh": state.bess_kwh.item(),
            "bess_soc": outputs.bess_soc_after.item(),
            "charger_kwh": state.charger_kwh[ONLY_ENV].copy(),
            "ev_soc": outputs.ev_soc_after[ONLY_ENV].copy(),
        }
        return {
            "terms": dict(zip(TERMS, outputs.terms[ONLY_ENV].tolist(), strict=True)),
            "charger_action": outputs.charger_action[ONLY_ENV].copy(),
            "bess_action": outputs.bess_action.item(),
            "result": result,
        }
