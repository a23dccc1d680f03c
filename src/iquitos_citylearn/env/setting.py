"""The inputs of the compiled environment, all but its state, for any number of years."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from gymnasium import spaces

from iquitos_citylearn.env.action import GREEDY_OFFSET, bess_mapping_code, mapping_code
from iquitos_citylearn.env.features import FIRST_FORECAST
from iquitos_citylearn.env.lookahead import Lookahead, make_lookahead
from iquitos_citylearn.env.observation import Horizons, make_horizons, observation_low
from iquitos_citylearn.env.physics import Equipment, YearArrays, dispatches_bess, make_equipment, make_years
from iquitos_citylearn.env.reward import RewardWeighting, make_weighting
from iquitos_citylearn.env.tables import Tables, make_tables
from iquitos_citylearn.params import EnvironmentParams, RewardParams
from iquitos_citylearn.site.expectations import Expectations, fit_expectations
from iquitos_citylearn.site.model import Site


class Setting(NamedTuple):
    """Inputs of the compiled functions: equipment, years, tables, scales, weights, mappings of actions, lookahead."""

    equipment: Equipment
    years: YearArrays
    tables: Tables
    horizons: Horizons
    weighting: RewardWeighting
    mapping: int
    bess_mapping: int
    lookahead: Lookahead


def make_setting(
    sites: Sequence[Site],
    environment: EnvironmentParams,
    reward: RewardParams,
    action_mapping: str,
    forecast_keys: Sequence[int],
    *,
    bess_mapping: str = GREEDY_OFFSET,
    expectations: Expectations | None = None,
) -> Setting:
    """Prepare years of one site for environments.

    Parameters
    ----------
    sites : sequence of Site
        The years; they share equipment and length.
    environment, reward : EnvironmentParams, RewardParams
        Forecast, horizons and evening-peak hours; weights of the reward.
    action_mapping : str
        A name in `action.MAPPINGS`.
    forecast_keys : sequence of int
        One number per year that decides its forecast errors.
    bess_mapping : str
        A name in `action.BESS_MAPPINGS`: the meaning of the entry of a battery under the agent.
    expectations : Expectations or None
        What is expected of the site; None for the statistics of these years themselves, as for training years.

    Raises
    ------
    ValueError
        If the mapping is unknown, or the years differ in equipment or length.
    """
    equipment, years = make_equipment(sites[0]), make_years(sites)
    expected = fit_expectations(sites) if expectations is None else expectations
    tables = make_tables(sites, equipment, years, environment, expected, forecast_keys)
    forecast_kw = tables.site_entries[:, :, FIRST_FORECAST:].astype(np.float64) * tables.reference_power_kw
    return Setting(
        equipment=equipment,
        years=years,
        tables=tables,
        horizons=make_horizons(environment),
        weighting=make_weighting(reward),
        mapping=mapping_code(action_mapping),
        bess_mapping=bess_mapping_code(bess_mapping),
        lookahead=make_lookahead(sites, equipment, forecast_kw, years.price_usd_per_kwh, environment, expected),
    )


def single_year(setting: Setting, year: int) -> Setting:
    """Return a setting with one of its years as the only one; its arrays are views."""
    years = setting.years._replace(
        **{name: values[year : year + 1] for name, values in setting.years._asdict().items()}
    )
    tables = setting.tables._replace(
        **{name: values[year : year + 1] for name, values in setting.tables._asdict().items() if np.ndim(values)}
    )
    lookahead = setting.lookahead
    if len(lookahead.hour):
        by_year = ("hour", "residual", "forecast_kw", "path_kwh", "known")
        lookahead = lookahead._replace(**{name: getattr(lookahead, name)[year : year + 1] for name in by_year})
    return setting._replace(years=years, tables=tables, lookahead=lookahead)


def check_single_year(setting: Setting) -> None:
    """Refuse a setting with more than one year.

    Raises
    ------
    ValueError
        If there is more than one; gives the number.
    """
    n_years = len(setting.years.load_kwh)
    if n_years != 1:
        raise ValueError(f"the setting has {n_years} years; it must have exactly 1 (`single_year` takes one out)")


def make_spaces(setting: Setting) -> tuple[spaces.Box, spaces.Box]:
    """Return the observation and the action space: an entry in [-1, 1] per charger, then the battery's if any."""
    n_chargers = setting.years.session_of.shape[2]
    n_actions = n_chargers + int(dispatches_bess(setting.equipment))
    low = observation_low(setting.tables, setting.equipment)
    return spaces.Box(low, np.ones_like(low), dtype=np.float32), spaces.Box(-1.0, 1.0, (n_actions,), np.float32)
