"""Small sites whose sums can be made by hand, years of one site, and plain-Python runs to hold the compiled ones to."""

from dataclasses import replace

import numpy as np

from iquitos_citylearn.env.arrays import session_rows
from iquitos_citylearn.env.observation import observation_names
from iquitos_citylearn.env.setting import make_setting
from iquitos_citylearn.env.twin import Twin
from iquitos_citylearn.env.year import make_year
from iquitos_citylearn.params import RewardWeights
from iquitos_citylearn.site.citylearn_files.writer import as_stored
from iquitos_citylearn.site.model import Battery, Charger, Sessions, Site, Weather, flat_efficiency
from tests.sites import calendar, random_site

TERMS = ("co2", "solar_self_consumption", "cost", "ev_satisfaction", "grid_stability")


def small_site(seed=0, n_chargers=3, n_steps=72, **kwargs):
    """Return a random site of the default's shape, every value as a data set holds it."""
    return as_stored(random_site(np.random.default_rng(seed), n_chargers, n_steps, plain=True, **kwargs))


def years_of(site, n_years, seed=100):
    """Return years of one site: the same equipment, other series and sessions."""
    others = [small_site(seed + year, site.n_chargers, site.n_steps) for year in range(n_years)]
    return [
        replace(other, chargers=site.chargers, bess=site.bess, pv_rated_power_kwp=site.pv_rated_power_kwp)
        for other in others
    ]


def car(capacity_kwh, power_kw):
    return Battery(
        energy_capacity_kwh=capacity_kwh,
        nominal_power_kw=power_kw,
        initial_soc=0.2,
        depth_of_discharge=1.0,
        power_efficiency_curve=flat_efficiency(1.0),
    )


def charger(name, power_kw, capacity_kwh, efficiency=0.5):
    return Charger(
        name=name, max_charging_power_kw=power_kw, efficiency=efficiency, ev=car(capacity_kwh, power_kw * efficiency)
    )


def bess(capacity_kwh=100.0, power_kw=50.0, initial_soc=0.5, efficiency_round_trip=0.81):
    """Return a battery whose one-way efficiency is 0.9."""
    return Battery(
        energy_capacity_kwh=capacity_kwh,
        nominal_power_kw=power_kw,
        initial_soc=initial_soc,
        depth_of_discharge=1.0,
        power_efficiency_curve=flat_efficiency(efficiency_round_trip),
    )


def hand_site(sessions, chargers=None, n_steps=48, load_kwh=0.0, pv_kwh=0.0, price=0.25, carbon=0.5, battery=None):
    """Return a site with constant or given series and sessions (charger, arrival, departure, arrival SOC, required).

    Its default chargers: 2 kW at efficiency 0.5 into 4 kWh (1 kWh, a quarter of the SOC, an hour), and 4 kW at 0.5
    into 4 kWh (half of the SOC an hour): all exact in float32.
    """
    table = np.array(sessions, dtype=np.float64).reshape(-1, 5)
    ones = np.ones(n_steps)
    return Site(
        **calendar(n_steps),
        load_kwh=load_kwh * ones,
        pv_kwh=pv_kwh * ones,
        price_usd_per_kwh=price * ones,
        carbon_kg_per_kwh=carbon * ones,
        weather=Weather(
            temp_air_c=25 * ones,
            relative_humidity_percent=80 * ones,
            dhi_w_per_m2=0 * ones,
            dni_w_per_m2=0 * ones,
            ghi_w_per_m2=0 * ones,
        ),
        pv_rated_power_kwp=10.0,
        bess=battery,
        bess_dispatch="none" if battery is None else "automatic",
        chargers=chargers or (charger("charger_001", 2.0, 4.0), charger("charger_002", 4.0, 4.0)),
        sessions=Sessions(
            charger=table[:, 0].astype(np.int64),
            arrival_step=table[:, 1].astype(np.int64),
            departure_step=table[:, 2].astype(np.int64),
            arrival_soc=table[:, 3].copy(),
            required_soc=table[:, 4].copy(),
        ),
    )


def setting_of(site, params, mapping="raw", keys=None, bess_mapping="greedy_offset", expectations=None, **changes):
    """Return a setting of a site, or of a list of its years; `changes` are of the environment and reward params."""
    sites = site if isinstance(site, list) else [site]
    environment = {name: value for name, value in changes.items() if name in type(params.environment).model_fields}
    reward = {name: value for name, value in changes.items() if name not in environment}
    return make_setting(
        sites,
        params.environment.model_copy(update=environment),
        params.reward.model_copy(update=reward),
        mapping,
        keys or list(range(len(sites))),
        bess_mapping=bess_mapping,
        expectations=expectations,
    )


def names_of(site, params, **changes):
    """Return the names of a site's observation, in order."""
    setting = setting_of(site, params, **changes)
    return observation_names(setting.tables, setting.equipment, [charger.name for charger in site.chargers])


def year_of(site, params, mapping="raw", **changes):
    """Return a site as a year, ready to be run and judged."""
    return make_year(site, setting_of(site, params, mapping, **changes), seed=0, calendar_year=2023)


def only(term):
    """Return reward params that show one term alone, unscaled."""
    weights = RewardWeights(**{name: float(name == term) for name in TERMS})
    return {"weights": {"only": weights}, "priority_mode": "only", "total_scale": 1.0}


def random_policy_actions(rng, n_steps, n_chargers):
    """Return actions in [-1, 1], often at its ends."""
    actions = rng.uniform(-1.6, 1.6, (n_steps, n_chargers))
    return np.clip(actions, -1, 1).astype(np.float32)


def session_at(site):
    """Return a function (step, charger) -> index of the connected session, or None; a plain search."""
    found = {}
    for index in range(len(site.sessions)):
        for step in range(int(site.sessions.arrival_step[index]), int(site.sessions.departure_step[index])):
            found[step, int(site.sessions.charger[index])] = index
    return lambda step, charger_index: found.get((step, charger_index))


def constant_run(site, action):
    """Return the step results of a year in which every charger gets the same CityLearn action, and SOCs before it."""
    twin, results, soc_before = Twin(site), [], []
    for _ in range(site.n_steps):
        soc_before.append(twin.bess_soc)
        results.append(twin.step(np.full(site.n_chargers, action)))
    return results, soc_before


def targets_of(setting, site):
    """Return the targets of the tables in the order of the site's sessions."""
    return setting.tables.target_soc[0, session_rows(setting.years, 0, site.sessions)]


def target_socs(site):
    """Return min(required, what full power from arrival reaches) of every session, from a run at full power."""
    full, _ = constant_run(site, 1.0)
    sessions = site.sessions
    return [
        min(float(sessions.required_soc[i]), float(full[sessions.departure_step[i] - 1].ev_soc[sessions.charger[i]]))
        for i in range(len(sessions))
    ]


def with_demand_charge(site, charge_usd_per_kw=10.0, second_month=30):
    """Return a site with a demand charge whose second month starts at a step."""
    month = np.where(np.arange(site.n_steps) < second_month, 1, 2).astype(np.int64)
    return replace(site, month=month, demand_charge_usd_per_kw_month=charge_usd_per_kw)
