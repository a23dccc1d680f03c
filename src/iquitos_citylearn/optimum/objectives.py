"""Objectives of an optimum: prices for the linear program, and the figure that a rollout reaches.

===========  ==================================  =========================================================
objective    figure                              linear because
===========  ==================================  =========================================================
co2          imported kWh x carbon intensity     no intensity is negative
cost         imported kWh x tariff, and the      no tariff is negative (a negative one is refused); the demand
             demand charge on months' peaks      charge is a maximum
peak_import  highest import of an hour           it is a maximum; among its plans, one of least CO2
reward       - total reward                      its terms are linear in import, export and battery energy;
                                                 unmet energy is none (or the least under an import limit), and
                                                 no car gets more than its need, which must cost at least what
                                                 solar self-consumption pays (otherwise refused: more would pay)
===========  ==================================  =========================================================

Less is better for all four.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from iquitos_citylearn.env.demand import demand_cost_usd
from iquitos_citylearn.env.physics import dispatches_bess
from iquitos_citylearn.env.reward import TERMS
from iquitos_citylearn.env.year import Year
from iquitos_citylearn.optimum.program import Prices
from iquitos_citylearn.policies.rollout import Rollout
from iquitos_citylearn.site.model import FloatArray


@dataclass(frozen=True)
class Objective:
    """A figure to make small.

    Attributes
    ----------
    unit : str
        Unit of the figure.
    prices : callable
        Year -> prices of the linear program, whose value is the figure.
    figure : callable
        Rollout, year -> the figure.
    """

    unit: str
    prices: Callable[[Year], Prices]
    figure: Callable[[Rollout, Year], float]


def _import_kwh(rollout: Rollout) -> FloatArray:
    return np.maximum(rollout.net_kwh, 0.0)


def _import_prices(prices: FloatArray, name: str, month_peak: float = 0.0) -> Prices:
    _refuse_negative(prices, name)
    nothing = np.zeros_like(prices)
    return Prices(grid_import=prices, grid_export=nothing, stored=nothing, month_peak=month_peak)


def _peak_prices(year: Year) -> Prices:
    nothing = np.zeros(year.site.n_steps)
    return Prices(grid_import=nothing, grid_export=nothing, stored=nothing, peak=1.0)


def _reward_prices(year: Year) -> Prices:
    """Return minus the reward of `env/reward.py` as prices; the shadow's part of it is constant."""
    setting = year.setting
    tables, years, weighting = setting.tables, setting.years, setting.weighting
    weight = dict(zip(TERMS, weighting.term_scale.tolist(), strict=True))
    overdelivery = weight["ev_satisfaction"] * weighting.overdelivery_scale * setting.equipment.ev["flat_root"]
    if (overdelivery < weight["solar_self_consumption"]).any():
        raise ValueError(
            f"overdelivery_scale is {weighting.overdelivery_scale:g}: a kWh beyond need must cost at least what "
            "solar_self_consumption pays for it, or the reward has no optimum that serves cars exactly"
        )
    roots = np.unique(setting.equipment.ev["flat_root"])
    if setting.equipment.import_limited and len(roots) > 1:
        raise ValueError(
            "cars of different efficiency under an import limit: the price of an unmet kWh is not one number"
        )
    draw = (
        weight["co2"] * years.carbon_kg_per_kwh[0] * tables.carbon_per_mean[0]
        + weight["cost"] * years.price_usd_per_kwh[0] * tables.price_per_mean[0]
        + weight["grid_stability"] * tables.evening[0]
    )
    _refuse_negative(draw, "the reward's price of an imported kWh")
    eta = tables.bess_discharge_efficiency
    shadow_stored_kwh = tables.bess_capacity_kwh * tables.shadow_bess_soc_change[0]
    kept = weight["solar_self_consumption"]
    constant = draw @ (eta * shadow_stored_kwh - tables.shadow_import_kwh[0]) - kept * tables.shadow_export_kwh[0].sum()
    worth = draw
    if dispatches_bess(setting.equipment):
        worth = np.full_like(draw, weight["co2"] + weight["cost"])
        constant += (worth - draw) @ (eta * shadow_stored_kwh)
    month_peak = weight["cost"] * float(tables.demand_per_mean_price[0])
    constant -= month_peak * tables.shadow_peak_rise_kw[0].sum()
    return Prices(
        grid_import=draw,
        grid_export=np.full_like(draw, kept),
        stored=eta * worth,
        month_peak=month_peak,
        unmet=weight["ev_satisfaction"] * weighting.unmet_scale * float(roots[0]),
        constant=float(constant),
    )


def _cost_prices(year: Year) -> Prices:
    charge = year.setting.tables.demand_charge_usd_per_kw
    return _import_prices(year.setting.years.price_usd_per_kwh[0], "price_usd_per_kwh", charge)


def _cost_usd(rollout: Rollout, year: Year) -> float:
    tables, import_kwh = year.setting.tables, _import_kwh(rollout)
    demand = demand_cost_usd(import_kwh, tables.month_start[0], tables.demand_charge_usd_per_kw)
    return float(import_kwh @ year.setting.years.price_usd_per_kwh[0]) + float(demand.sum())


def _refuse_negative(prices: FloatArray, name: str) -> None:
    if (prices < 0.0).any():
        step = int(np.argmax(prices < 0.0))
        raise ValueError(f"{name} is {prices[step]:g} in step {step}; a linear program needs 0 at least")


OBJECTIVES: Mapping[str, Objective] = {
    "co2": Objective(
        "kg",
        lambda year: _import_prices(year.setting.years.carbon_kg_per_kwh[0], "carbon_kg_per_kwh"),
        lambda rollout, year: float(_import_kwh(rollout) @ year.setting.years.carbon_kg_per_kwh[0]),
    ),
    "cost": Objective("USD", _cost_prices, _cost_usd),
    "peak_import": Objective("kW", _peak_prices, lambda rollout, _: float(_import_kwh(rollout).max())),
    "reward": Objective("1", _reward_prices, lambda rollout, _: -float(rollout.reward_terms.sum())),
}
"""By name. The reward's figure is minus the reward."""


def objective_named(name: str) -> Objective:
    """Return an objective.

    Raises
    ------
    ValueError
        For an unknown name; lists the valid ones.
    """
    if name not in OBJECTIVES:
        raise ValueError(f"objective is {name!r}; valid are {', '.join(OBJECTIVES)}")
    return OBJECTIVES[name]
