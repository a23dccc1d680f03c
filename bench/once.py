"""What is measured once, since it takes long: the linear program of a year, and a year replayed in CityLearn."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.harness import measure, summary
from bench.sites import SCHEMA, headline_site
from iquitos_citylearn.agents.rules import ConstantPolicy
from iquitos_citylearn.env.replay import Certification, Trajectory, replay
from iquitos_citylearn.env.setting import make_setting
from iquitos_citylearn.optimum.optimiser import Optimiser
from iquitos_citylearn.params import load_params
from iquitos_citylearn.rollout import roll_out

SLICE = 48


def raw_setting() -> Any:
    """Return the headline year with actions as they are."""
    params = load_params(Path("params.yaml"))
    return make_setting([headline_site()], params.environment, params.reward, "raw", [0])


def timed(function: Callable[[], Any]) -> Callable[[], float]:
    """Return a function that returns the seconds, by the clock, that another takes."""

    def run() -> float:
        start = time.perf_counter()
        function()
        return time.perf_counter() - start

    return run


def linear_program() -> dict[str, Any]:
    """Time the optimum of the headline year: built, solved, replayed in the twin."""
    setting, sessions = raw_setting(), headline_site().sessions
    return measure(
        {
            "least CO2, program built": timed(lambda: Optimiser(setting, sessions).optimum("co2")),
            "program alone": timed(lambda: Optimiser(setting, sessions)),
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

    figures = measure({f"first {SLICE} steps, one process": timed(lambda: certify(1, SLICE))}, rounds=3)
    year = timed(lambda: certify(2, None))()
    return {"a year, two processes": summary([year])} | figures
