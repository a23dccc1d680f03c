"""What is measured once, since it takes long: the linear program of a year, and a year replayed in CityLearn."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.harness import measure, summary
from bench.sites import SCHEMA, headline_site
from iquitos_citylearn.env.replay import replay_executor
from iquitos_citylearn.env.setting import Setting, make_setting
from iquitos_citylearn.evaluation.certification import certify
from iquitos_citylearn.optimum.optimiser import Optimiser
from iquitos_citylearn.params import load_params
from iquitos_citylearn.policies.rollout import trace_year
from iquitos_citylearn.policies.rules import ConstantPolicy

SLICE = 48


def raw_setting() -> Setting:
    """Return the headline year with actions as they are."""
    params = load_params(Path("params.yaml"))
    return make_setting([headline_site()], params.environment, params.reward, "raw", [0])


def timed(clock: Callable[[], float], function: Callable[[], Any]) -> Callable[[], float]:
    """Return a function that returns the seconds that another takes."""

    def run() -> float:
        start = clock()
        function()
        return clock() - start

    return run


def linear_program() -> dict[str, Any]:
    """Time the optimum of the headline year: built, solved, replayed in the twin."""
    setting, sessions = raw_setting(), headline_site().sessions
    return measure(
        {
            "least CO2, program built": timed(time.process_time, lambda: Optimiser(setting, sessions).optimum("co2")),
            "program alone": timed(time.process_time, lambda: Optimiser(setting, sessions)),
        },
        rounds=2,
    )


def certification() -> dict[str, Any]:
    """Time a year of charging at once in CityLearn, in two processes, and its first days in one."""
    site = headline_site()
    year = trace_year(ConstantPolicy(1.0, site.n_chargers), raw_setting())
    first = [series.copy(SLICE) for series in year]

    def year_in_processes() -> dict[str, Any]:
        with replay_executor(site) as executor:
            return certify(*year, SCHEMA, site, executor=executor)

    begun = timed(time.perf_counter, lambda: certify(*first, SCHEMA, site, SLICE))
    figures = measure({f"first {SLICE} steps, one process": begun}, rounds=3)
    seconds = timed(time.perf_counter, year_in_processes)()
    return {"a year, two processes": summary([seconds])} | figures
