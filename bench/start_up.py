"""Seconds by the clock until something has happened in a fresh Python."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

from bench.harness import measure

FIRST_STEP = "from bench.sites import setting_of; from bench.simulator import batch_rate; import time; " + (
    "batch_rate(setting_of(), 1, 1, time.perf_counter)()"
)
SNIPPETS = {
    "iquitos --help": "import sys; from iquitos_citylearn.cli import app; sys.argv[1:] = ['--help']; app()",
    "import of the twin": "import iquitos_citylearn.env.setting, iquitos_citylearn.env.batch",
    "import with Stable-Baselines3 and torch": "import iquitos_citylearn.env.vec_env",
    "data set read": "from bench.sites import headline_site; headline_site()",
    "first step, kernels cached": FIRST_STEP,
}


def seconds(code: str, **environment: str) -> float:
    """Return how long a Python runs for this code."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | environment, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def start_up() -> dict[str, Any]:
    """Measure start-up, and once the first step with kernels to compile."""

    def of(code: str) -> Callable[[], float]:
        return lambda: seconds(code)

    figures = measure({name: of(code) for name, code in SNIPPETS.items()}, rounds=3)
    with tempfile.TemporaryDirectory() as empty:
        cold = seconds(FIRST_STEP, NUMBA_CACHE_DIR=empty)
    figures["first step, nothing cached"] = {"median": cold, "lowest": cold, "highest": cold}
    return figures
