"""The parts of the benchmark: what each is measured by, and its unit."""

from importlib import import_module
from typing import Any

from bench.harness import describe_run

RATE, COST = "steps/s of processor time", "ns per charger and step"
PARTS = {
    "simulator": ("bench.simulator", "simulators", RATE),
    "two_processes": ("bench.simulator", "two_processes", "environment-steps/s"),
    "chargers": ("bench.simulator", "chargers", COST),
    "horizon": ("bench.simulator", "horizon", COST),
    "start_up": ("bench.start_up", "start_up", "s of processor time"),
    "training_sac": ("bench.training", "training_sac", RATE),
    "training_sac_two_threads": ("bench.training", "training_sac_two_threads", "steps/s by the clock"),
    "training_ppo": ("bench.training", "training_ppo", RATE),
    "training_a2c": ("bench.training", "training_a2c", RATE),
    "arithmetic": ("bench.arithmetic", "arithmetic", "s of processor time"),
    "lp": ("bench.once", "linear_program", "s of processor time"),
    "certification": ("bench.once", "certification", "s"),
    "pipeline": ("bench.pipeline", "pipeline", "s"),
}
"""Module, function and unit of each part."""
ON_REQUEST = {"pipeline"}
"""Parts that run only when they are named: a whole pipeline takes as long as it takes."""


def measured(name: str) -> dict[str, Any]:
    """Measure a part, in this process."""
    module, function, unit = PARTS[name]
    return {"unit": unit, "figures": getattr(import_module(module), function)(), "run": describe_run()}
