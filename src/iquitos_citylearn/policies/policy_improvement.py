"""The policy `rollout`: one step of policy improvement over the rule `level` (Bertsekas, 2020).

In every hour it tries some import targets. For each it runs the rule from the next hour on until PV refills the
battery, over scenarios of load, PV and cars, and takes the target of least mean cost: energy at its tariff, and the
demand charge on what lifts the month's peak.

References
----------
Bertsekas (2020), Rollout, Policy Iteration, and Distributed Reinforcement Learning, Athena Scientific.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from iquitos_citylearn.env.kernels import inner_kernel, kernel
from iquitos_citylearn.env.lookahead import Lookahead
from iquitos_citylearn.env.night import (
    Path,
    deferred_import,
    even_import,
    exchanged,
    stored_after,
    write_path,
)
from iquitos_citylearn.env.setting import Setting
from iquitos_citylearn.env.year import Years
from iquitos_citylearn.params import Params, RolloutParams
from iquitos_citylearn.policies.level import ImportTarget
from iquitos_citylearn.policies.policy import Rule
from iquitos_citylearn.policies.rules import required
from iquitos_citylearn.policies.scenarios import (
    Scenarios,
    draw_noise,
    lasts_without_grid,
    no_scenarios,
    write_scenarios,
)
from iquitos_citylearn.site.clock import HOURS_PER_DAY
from iquitos_citylearn.site.model import FloatArray

SHARES_OF_PEAK = (0.0, 0.25, 0.5, 0.75, 1.0)
SHARES_OF_RULE = (0.7, 1.0, 1.3, 1.8)
RISES = (0.025, 0.0625)
"""Import targets that are tried: shares of the month's peak, of the rule's target, and the peak with a share of the
scale of levels more."""
N_TRIED = len(SHARES_OF_PEAK) + len(SHARES_OF_RULE) + len(RISES)
BETTER_USD = 1e-6
"""A target has to save this much over those tried before it [USD]."""


class Outlook(NamedTuple):
    """What an hour looks like to the policy.

    Attributes
    ----------
    n_hours : int
        Hours until the refill.
    hour : int
        Hour of the day that begins.
    stored_kwh, peak_kw : float
        Energy in the battery [kWh], and highest import of the month so far [kW].
    peak_worth_usd_per_kw : float
        Worth of a lower peak.
    rule_kw : float
        Import target of the rule [kW].
    n_forecast : int
        Hours that a forecast reaches ahead.
    """

    n_hours: int
    hour: int
    stored_kwh: float
    peak_kw: float
    peak_worth_usd_per_kw: float
    rule_kw: float
    n_forecast: int


class RolloutPolicy(ImportTarget):
    """Improves on the rule `level` by looking one step ahead.

    Parameters
    ----------
    cars : Rule
        Decides on the chargers.
    setting : Setting
        For the battery, the expectations and the scales of the observation.
    params : RolloutParams
        Number of scenarios, their seed, and the weights of the demand charge.
    """

    def __init__(self, cars: Rule, setting: Setting, params: RolloutParams) -> None:
        super().__init__(cars, setting)
        self._lookahead = setting.lookahead
        self._params = params
        self._charge = setting.tables.demand_charge_usd_per_kw
        self._noise = draw_noise(params.n_scenarios, params.seed)
        self._scenarios = no_scenarios(params.n_scenarios)

    def target_kw(self, observation: NDArray[np.float32]) -> FloatArray:
        """Return the import target of each observation [kW], shape (batch,)."""
        lookahead, expected, view = self._lookahead, self._lookahead.expected, self.reader.read(observation)
        rule_kw = super().target_kw(observation)
        elapsed = self.reader.entry(observation, "month_elapsed")
        start, end = self._params.peak_weight_start, self._params.peak_weight_end
        worth = self._charge * (start + (end - start) * elapsed)
        targets = np.zeros(len(observation))
        for row in range(len(observation)):
            hour = int(view.hour[row])
            outlook = Outlook(
                n_hours=(expected.refill_hour - hour - 1) % HOURS_PER_DAY + 1,
                hour=hour,
                stored_kwh=float(view.stored_kwh[row]),
                peak_kw=float(view.month_peak_kw[row]),
                peak_worth_usd_per_kw=float(worth[row]),
                rule_kw=float(rule_kw[row]),
                n_forecast=view.forecast_kw.shape[1],
            )
            write_scenarios(
                self._scenarios,
                expected,
                lookahead.error_std,
                self._noise,
                int(view.noise_set[row]),
                hour,
                float(view.residual[row]),
                float(view.needed_kw[row]),
                view.forecast_kw[row],
                outlook.n_hours,
            )
            targets[row] = best_target(lookahead, self._scenarios, outlook)
        return targets


@kernel(_nrt=True)
def best_target(lookahead: Lookahead, scenarios: Scenarios, outlook: Outlook) -> float:
    """Return the import target of least mean cost over the scenarios [kW]."""
    if outlook.rule_kw <= 0.0 and lasts_without_grid(lookahead.store, scenarios, outlook.stored_kwh, outlook.n_hours):
        return 0.0
    best, best_cost = 0.0, np.inf
    mild, cautious = np.zeros(HOURS_PER_DAY, dtype=np.float32), np.zeros(HOURS_PER_DAY, dtype=np.float32)
    for index in range(N_TRIED):
        target = _tried(index, outlook.peak_kw, outlook.rule_kw, lookahead.scale_kw)
        cost = 0.0
        for s in range(scenarios.load_kw.shape[0]):
            cost += _cost_of(lookahead, scenarios, outlook, s, target, mild, cautious)
            if cost >= best_cost:
                break
        if cost < best_cost - BETTER_USD:
            best, best_cost = target, cost
    return best


@inner_kernel
def _tried(index: int, peak_kw: float, rule_kw: float, scale_kw: float) -> float:
    if index < len(SHARES_OF_PEAK):
        return SHARES_OF_PEAK[index] * peak_kw
    index -= len(SHARES_OF_PEAK)
    if index < len(SHARES_OF_RULE):
        return SHARES_OF_RULE[index] * rule_kw
    return peak_kw + RISES[index - len(SHARES_OF_RULE)] * scale_kw


@kernel()
def _cost_of(
    lookahead: Lookahead,
    scenarios: Scenarios,
    outlook: Outlook,
    s: int,
    target_kw: float,
    mild: Path,
    cautious: Path,
) -> float:
    """Return the cost of a scenario with a target in this hour and the rule's in later ones [USD]."""
    expected, store, rule = lookahead.expected, lookahead.store, lookahead.rule
    stored, peak, residual, cost = outlook.stored_kwh, outlook.peak_kw, 0.0, 0.0
    for k in range(outlook.n_hours):
        h = (outlook.hour + k) % HOURS_PER_DAY
        load, cars, left = scenarios.load_kw[s, k], scenarios.cars_kw[s, k], outlook.n_hours - k
        lacking = load + cars - scenarios.pv_kw[s, k]
        if k > 0:
            ahead = scenarios.pv_kw[s, k : k + outlook.n_forecast]
            write_path(mild, left, expected, rule.mild, h, residual, ahead, lookahead.error_std)
            target_kw = deferred_import(rule, store, stored, peak, mild, left, cars)
            if target_kw < 0.0:
                write_path(cautious, left, expected, rule.cautious, h, residual, ahead, lookahead.error_std)
                target_kw = even_import(rule, store, stored, peak, cautious, left, cars)
        after = stored_after(store, stored, target_kw - lacking)
        imported = max(0.0, lacking + exchanged(store, stored, after))
        cost += expected.price_usd_per_kwh[h] * imported
        if imported > peak:
            cost += outlook.peak_worth_usd_per_kw * (imported - peak)
            peak = imported
        stored = after
        if expected.load_std_kw[h] > 0.0:
            residual = (load - expected.load_mean_kw[h]) / expected.load_std_kw[h]
    return cost


def rollout(years: Years, params: Params, seed: int) -> Rule:
    """Return the policy `rollout`; where no agent dispatches a battery it is `required`."""
    return RolloutPolicy(required(years, params, seed), years.setting, params.control.rollout)
