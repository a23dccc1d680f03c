"""Contenders measured in turn in one run, so that what else the machine does falls on all of them alike."""

import os
import platform
import resource
import statistics
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

PACKAGES = ("citylearn", "numba", "numpy", "stable-baselines3", "torch")


def measure(contenders: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, Any]:
    """Return median and range of each contender, and of its ratio to the last one in the same round.

    Parameters
    ----------
    contenders : mapping
        Functions that return a figure; each is called once, uncounted, before the rounds.
    """
    for run in contenders.values():
        run()
    samples: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, run in contenders.items():
            samples[name].append(run())
    base = list(samples)[-1]
    return {
        name: summary(values) | {"ratio": summary([a / b for a, b in zip(values, samples[base], strict=True)])}
        for name, values in samples.items()
    }


def summary(values: list[float]) -> dict[str, float]:
    """Return median, lowest and highest."""
    return {"median": statistics.median(values), "lowest": min(values), "highest": max(values)}


def describe_run() -> dict[str, Any]:
    """Return date, machine, load and versions, and the highest memory use so far of this process or a child [MiB]."""
    peak_kib = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "cores": len(os.sched_getaffinity(0)),
        "machine": platform.machine(),
        "load_average": os.getloadavg()[0],
        "peak_rss_mib": peak_kib / 1024,
        "packages": {name: version(name) for name in PACKAGES},
    }
