"""The Gymnasium face: one year, one agent; `ChargingEnv` over any simulator, `TwinEnv` over the twin alone, faster."""

from dataclasses import asdict
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from iquitos_citylearn.env.action import bess_share, check_agent_actions, write_charger_actions
from iquitos_citylearn.env.batch import Batch
from iquitos_citylearn.env.observation import N_CHARGER_FEATURES, write_observation
from iquitos_citylearn.env.physics import dispatches_bess
from iquitos_citylearn.env.reward import N_TERMS, TERMS, write_reward_terms
from iquitos_citylearn.env.setting import Setting, make_spaces
from iquitos_citylearn.env.settlement import next_peak_kw, settle, write_month_peak
from iquitos_citylearn.env.simulator import Simulator, StepResult


class ChargingEnv(gymnasium.Env[NDArray[np.float32], NDArray[np.float32]]):
    """A year of charging at the site; tables of observation, action and reward stand in their modules.

    Parameters
    ----------
    simulator : Simulator
        The twin or CityLearn, over the first year of `setting`.
    setting : Setting
        From `setting.make_setting`.

    Notes
    -----
    The year ends by truncation: its end is no event of the site. `info` holds the reward terms, the actions of chargers
    and battery as CityLearn takes them, and the fields of the simulator's `StepResult`.
    """

    metadata = {"render_modes": []}  # noqa: RUF012 - Gymnasium's own declaration

    def __init__(self, simulator: Simulator, setting: Setting) -> None:
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
        write_charger_actions(
            self._charger_action, setting.equipment, setting.years, setting.mapping, 0, t, ev_soc, action
        )
        bess_action = self._bess_action(t, ev_soc, action)
        result = simulator.step(self._charger_action, bess_action)
        reward = self._reward(t, result, ev_soc, bess_soc)
        truncated = simulator.time_step >= simulator.site.n_steps
        info = {
            "terms": dict(zip(TERMS, self._terms.tolist(), strict=True)),
            "charger_action": self._charger_action.copy(),
            "bess_action": bess_action,
            "result": asdict(result),
        }
        return self._observation(), reward, False, truncated, info

    def _bess_action(self, t: int, ev_soc: NDArray[np.float64], action: NDArray[np.float32]) -> float:
        setting = self.setting
        if not dispatches_bess(setting.equipment):
            return 0.0
        last, charger_action = float(action[-1]), self._charger_action
        return float(bess_share(setting.equipment, setting.years, 0, t, ev_soc, charger_action, last))

    def _reward(self, t: int, result: StepResult, ev_soc: NDArray[np.float64], bess_soc: float) -> float:
        setting, bess_soc_change = self.setting, result.bess_soc - bess_soc
        reward = write_reward_terms(
            self._terms,
            self._charger_reward,
            setting.equipment,
            setting.years,
            setting.tables,
            setting.weighting,
            0,
            t,
            result.net_kwh,
            bess_soc_change,
            ev_soc,
            result.ev_soc,
        )
        if setting.tables.n_peak_entries > 0:
            reward = settle(
                self._terms,
                self._charger_reward,
                setting.equipment,
                setting.years,
                setting.tables,
                setting.weighting,
                0,
                t,
                result.net_kwh,
                bess_soc,
                bess_soc_change,
                self._peak_kw,
                ev_soc,
                result.ev_soc,
            )
            self._peak_kw = float(next_peak_kw(setting.tables, 0, t, self._peak_kw, result.net_kwh))
        return float(reward)

    def _observation(self) -> NDArray[np.float32]:
        out = np.empty(self._n_observations, dtype=np.float32)
        setting, simulator = self.setting, self.simulator
        write_observation(
            out,
            setting.equipment,
            setting.years,
            setting.tables,
            setting.horizons,
            0,
            simulator.time_step,
            simulator.ev_soc,
            simulator.bess_soc,
        )
        if setting.tables.n_peak_entries > 0:
            first = self._n_observations - N_CHARGER_FEATURES * simulator.site.n_chargers
            write_month_peak(out, setting.tables, first, simulator.time_step, self._peak_kw)
        return out


class TwinEnv(gymnasium.Env[NDArray[np.float32], NDArray[np.float32]]):
    """What `ChargingEnv` over `Twin` is, to the last bit, with one compiled call a step.

    Parameters
    ----------
    setting : Setting
        From `setting.make_setting`; its first year is run.
    """

    metadata = {"render_modes": []}  # noqa: RUF012 - Gymnasium's own declaration

    def __init__(self, setting: Setting) -> None:
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
        self._batch.start_year(0, 0)
        self._step = 0
        return self._batch.outputs.observation[0].copy(), {}

    def step(self, action: NDArray[np.float32]) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Charge for one hour; raises what `ChargingEnv.step` raises."""
        if self._step >= self._n_steps:
            raise RuntimeError(f"the year is over at step {self._step}: reset first")
        self._batch.step(np.asarray(action)[None])
        self._step += 1
        outputs = self._batch.outputs
        reward, truncated = outputs.reward.item(), self._step >= self._n_steps
        return outputs.observation[0].copy(), reward, False, truncated, self._info()

    def _info(self) -> dict[str, Any]:
        state, outputs = self._batch.state, self._batch.outputs
        result = {
            "net_kwh": state.net_kwh.item(),
            "bess_kwh": state.bess_kwh.item(),
            "bess_soc": outputs.bess_soc_after.item(),
            "charger_kwh": state.charger_kwh[0].copy(),
            "ev_soc": outputs.ev_soc_after[0].copy(),
        }
        return {
            "terms": dict(zip(TERMS, outputs.terms[0].tolist(), strict=True)),
            "charger_action": outputs.charger_action[0].copy(),
            "bess_action": outputs.bess_action.item(),
            "result": result,
        }
