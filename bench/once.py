"""What is measured once, since it takes long: the linear program of a year, and a year replayed in CityLearn."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.harness import measure, summary
from bench.sites import SCHEMA, headline_site
from iquitos_citylearn.agents.rules import ConstantPolicy
from iquitos_citylearn.env.replay import Certification, Trajectory, replay
from iquitos_citylearn.env.setting import Setting, make_setting
from iquitos_citylearn.optimum.optimiser import Optimiser
from iquitos_citylearn.params import load_params
from iquitos_citylearn.rollout import roll_out

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
    rollout = roll_out(ConstantPolicy(1.0, site.n_chargers), raw_setting())
    said = Trajectory(rollout.net_kwh, rollout.bess_soc, rollout.charger_kwh, rollout.ev_soc)

    def certify(n_processes: int, n_steps: int | None) -> Certification:
        return replay(SCHEMA, site, rollout.charger_action, None, said, n_processes, n_steps=n_steps)

    figures = measure(
        {f"first {SLICE} steps, one process": timed(time.perf_counter, lambda: certify(1, SLICE))}, rounds=3
    )
    year = timed(time.perf_counter, lambda: certify(2, None))()
    return {"a year, two processes": summary([year])} | figures
