"""Rollouts of a policy over years on the twin: the outcome of each year, and step by step what was seen and done."""

from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

from iquitos_citylearn.env.action import complete_actions
from iquitos_citylearn.env.batch import Batch
from iquitos_citylearn.env.reward import N_TERMS
from iquitos_citylearn.env.setting import Setting, make_spaces
from iquitos_citylearn.env.year import Year
from iquitos_citylearn.policies.policy import Policy
from iquitos_citylearn.site.model import FloatArray


@dataclass(frozen=True, kw_only=True)
class _Series:
    """Arrays with one axis of steps, or of years and steps."""

    def of_year(self, year: int) -> Self:
        """Return one of years side by side; its arrays are views."""
        return type(self)(**{item.name: getattr(self, item.name)[year] for item in fields(self)})

    def copy(self, n_steps: int | None = None) -> Self:
        """Return a year, or its first steps, without the years that it was a view of."""
        return type(self)(**{item.name: getattr(self, item.name)[:n_steps].copy() for item in fields(self)})

    def refuse_non_finite(self) -> None:
        """Raise FloatingPointError with quantity and step if anything in a year is NaN or infinite."""
        for item in fields(self):
            values = getattr(self, item.name)
            bad = np.flatnonzero(~np.isfinite(values.reshape(len(values), -1)).all(axis=1))
            if len(bad):
                raise FloatingPointError(f"{item.name} is not finite at step {bad[0]}")


@dataclass(frozen=True, kw_only=True)
class Rollout(_Series):
    """Outcome of a year; T steps, n chargers.

    Attributes
    ----------
    reward_terms : ndarray, shape (T, 5)
        Weighted terms in the order of `env.reward.TERMS`; their sum is the reward.
    net_kwh, bess_kwh, bess_soc : ndarray, shape (T,)
        Net consumption and battery energy (site side, import and charging positive) [kWh]; SOC after the step.
    ev_kwh : ndarray, shape (T,)
        Consumption of all chargers [kWh].
    ev_soc : ndarray, shape (T, n)
        SOC of connected cars after the step, 0 where none.
    """

    reward_terms: FloatArray
    net_kwh: FloatArray
    bess_kwh: FloatArray
    bess_soc: FloatArray
    ev_kwh: FloatArray
    ev_soc: FloatArray

    @classmethod
    def empty(cls, n_years: int, n_steps: int, n_chargers: int) -> Self:
        """Return years side by side to be filled: every array has a first axis more, the year."""
        steps = (n_years, n_steps)
        return cls(
            reward_terms=np.zeros((*steps, N_TERMS)),
            net_kwh=np.zeros(steps),
            bess_kwh=np.zeros(steps),
            bess_soc=np.zeros(steps),
            ev_kwh=np.zeros(steps),
            ev_soc=np.zeros((*steps, n_chargers)),
        )


@dataclass(frozen=True, kw_only=True)
class Trace(_Series):
    """Observations and actions of a year, several times the memory of a `Rollout`; T steps, n chargers.

    Attributes
    ----------
    observation : ndarray of float32, shape (T, n_observations)
        Before each action.
    charger_action : ndarray, shape (T, n)
        As CityLearn takes it, in [0, 1].
    bess_action : ndarray, shape (T,)
        The same of the stationary battery, in [-1, 1]; 0 where no agent dispatches it.
    charger_kwh : ndarray, shape (T, n)
        Consumption of each charger [kWh].
    """

    observation: NDArray[np.float32]
    charger_action: FloatArray
    bess_action: FloatArray
    charger_kwh: FloatArray

    @classmethod
    def empty(cls, n_years: int, n_steps: int, n_observations: int, n_chargers: int) -> Self:
        """Return years side by side to be filled: every array has a first axis more, the year."""
        steps = (n_years, n_steps)
        return cls(
            observation=np.zeros((*steps, n_observations), dtype=np.float32),
            charger_action=np.zeros((*steps, n_chargers)),
            bess_action=np.zeros(steps),
            charger_kwh=np.zeros((*steps, n_chargers)),
        )


def roll_out(policy: Policy, year: Year) -> Rollout:
    """Run a policy, deterministically, over a year (`trace_years`)."""
    (rollout,) = roll_out_years(policy, year.setting)
    return rollout


def trace_year(policy: Policy, year: Year) -> tuple[Rollout, Trace]:
    """Run a policy, deterministically, over a year and keep all of it (`trace_years`)."""
    (rollout,), (kept,) = trace_years(policy, year.setting, 1)
    return rollout, kept


def roll_out_years(policy: Policy, setting: Setting) -> list[Rollout]:
    """Run a policy, deterministically, over every year of a setting, side by side (`trace_years`)."""
    return trace_years(policy, setting, 0)[0]


def trace_years(policy: Policy, setting: Setting, n_traced: int) -> tuple[list[Rollout], list[Trace]]:
    """Run a policy, deterministically, over every year of a setting, side by side.

    Parameters
    ----------
    policy : Policy
        A Stable-Baselines3 model or a rule; it decides for all years in one call.
    setting : Setting
        The years, with the action mapping of the policy.
    n_traced : int
        Of how many years, from the first, to keep what was seen and done.

    Returns
    -------
    list of Rollout, list of Trace
        Of every year, and of the first `n_traced`.

    Raises
    ------
    ValueError
        If there are not so many years to be traced.
    FloatingPointError
        If an action, a reward or a state, or an observation that is kept, is not finite; names quantity and step.
    """
    n_years, n_steps, n_chargers = setting.years.session_of.shape
    if not 0 <= n_traced <= n_years:
        raise ValueError(f"n_traced is {n_traced}; it must be between 0 and {n_years}, the number of years")
    observation_space, action_space = make_spaces(setting)
    years = Rollout.empty(n_years, n_steps, n_chargers)
    traces = Trace.empty(n_traced, n_steps, observation_space.shape[0], n_chargers)
    batch = Batch(setting, n_years)
    state, outputs = batch.state, batch.outputs
    for year in range(n_years):
        batch.start_year(year, year)
    start = np.ones(n_years, dtype=np.bool_)
    for t in range(n_steps):
        traces.observation[:, t] = outputs.observation[:n_traced]
        action, _ = policy.predict(outputs.observation, episode_start=start, deterministic=True)
        start[:] = False
        batch.step(complete_actions(action, n_chargers, action_space.shape[0]))
        traces.charger_action[:, t] = outputs.charger_action[:n_traced]
        traces.bess_action[:, t] = outputs.bess_action[:n_traced]
        traces.charger_kwh[:, t] = state.charger_kwh[:n_traced]
        years.reward_terms[:, t] = outputs.terms
        years.net_kwh[:, t] = state.net_kwh
        years.bess_kwh[:, t] = state.bess_kwh
        years.bess_soc[:, t] = outputs.bess_soc_after
        state.charger_kwh.sum(axis=1, out=years.ev_kwh[:, t])
        years.ev_soc[:, t] = outputs.ev_soc_after
    rollouts = [years.of_year(year) for year in range(n_years)]
    kept = [traces.of_year(year) for year in range(n_traced)]
    for series in (*rollouts, *kept):
        series.refuse_non_finite()
    return rollouts, kept
