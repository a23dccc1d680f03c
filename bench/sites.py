"""The headline year, and parts of it with any number of chargers."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from iquitos_citylearn.env.setting import Setting, make_setting
from iquitos_citylearn.params import load_params
from iquitos_citylearn.site.citylearn_files.reader import read_dataset
from iquitos_citylearn.site.model import Sessions, Site

SCHEMA = Path("data/site/schema.json")
SERIES = ("month", "hour", "day_type", "load_kwh", "pv_kwh", "price_usd_per_kwh", "carbon_kg_per_kwh")


@cache
def headline_site() -> Site:
    """Return the site of data/site."""
    return read_dataset(SCHEMA)


@cache
def setting_of(n_chargers: int | None = None, n_steps: int | None = None) -> Setting:
    """Return the setting of the headline site, whole or as `scaled` makes it."""
    params = load_params(Path("params.yaml"))
    site = headline_site() if n_chargers is None or n_steps is None else scaled(headline_site(), n_chargers, n_steps)
    return make_setting([site], params.environment, params.reward, "three_segment", [0])


def scaled(site: Site, n_chargers: int, n_steps: int) -> Site:
    """Return the first steps of a site, its chargers and their sessions repeated."""
    index = np.arange(n_chargers) % site.n_chargers
    rows = [np.flatnonzero((site.sessions.charger == c) & (site.sessions.departure_step <= n_steps)) for c in index]
    row = np.concatenate(rows)
    s = site.sessions
    return replace(
        site,
        **{name: getattr(site, name)[:n_steps] for name in SERIES},
        chargers=tuple(replace(site.chargers[c], name=f"charger_{n + 1}") for n, c in enumerate(index)),
        sessions=Sessions(
            charger=np.repeat(np.arange(n_chargers), [len(r) for r in rows]),
            arrival_step=s.arrival_step[row],
            departure_step=s.departure_step[row],
            arrival_soc=s.arrival_soc[row],
            required_soc=s.required_soc[row],
        ),
    )
