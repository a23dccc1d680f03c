"""What is measured once, since it takes long: the linear program of a year, and a year replayed in CityLearn."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.harness import measure, summary
from bench.sites import SCHEMA, headline_site
from iquitos_citylearn.env.replay import replay_executor
from iquitos_citylearn.env.setting import make_setting
from iquitos_citylearn.env.year import Year, make_year
from iquitos_citylearn.evaluation.certification import certify
from iquitos_citylearn.optimum.optimiser import Optimiser
from iquitos_citylearn.params import load_params
from iquitos_citylearn.policies.rollout import trace_year
from iquitos_citylearn.policies.rules import ConstantPolicy

SLICE = 48


def raw_year() -> Year:
    """Return the headline year with actions as they are."""
    params, site = load_params(Path("params.yaml")), headline_site()
    setting = make_setting([site], params.environment, params.reward, "raw", [0])
    draws, calendar = params.site.draws, params.site.calendar
    return make_year(site, setting, seed=draws.headline_seed, calendar_year=calendar.year)


def timed(clock: Callable[[], float], function: Callable[[], Any]) -> Callable[[], float]:
    """Return a function that returns the seconds that another takes."""

    def run() -> float:
        start = clock()
        function()
        return clock() - start

    return run


def linear_program_alone() -> None:
    """Find the least CO2 of the headline year, from its series on."""
    Optimiser(raw_year()).optimum("co2")


def linear_program() -> dict[str, Any]:
    """Time the optimum of the headline year: built, solved, replayed in the twin."""
    year = raw_year()
    return measure(
        {
            "least CO2, program built": timed(time.process_time, lambda: Optimiser(year).optimum("co2")),
            "program alone": timed(time.process_time, lambda: Optimiser(year)),
        },
        rounds=2,
    )


def certification() -> dict[str, Any]:
    """Time a year of charging at once in CityLearn, in two processes, and its first days in one."""
    site = headline_site()
    year = trace_year(ConstantPolicy(1.0, site.n_chargers), raw_year())
    first = [series.copy(SLICE) for series in year]

    def year_in_processes() -> dict[str, Any]:
        with replay_executor(site) as executor:
            return certify(*year, SCHEMA, site, executor=executor)

    begun = timed(time.perf_counter, lambda: certify(*first, SCHEMA, site, SLICE))
    figures = measure({f"first {SLICE} steps, one process": begun}, rounds=3)
    seconds = timed(time.perf_counter, year_in_processes)()
    return {"a year, two processes": summary([seconds])} | figures
