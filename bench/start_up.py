"""Processor time until something has happened in a fresh Python [s]."""

import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import Any

from bench.harness import measure, summary

RARELY = "from iquitos_citylearn.runtime.process_memory import search_garbage_rarely; search_garbage_rarely(); "
"""As the program begins."""
PARAMS = (
    "; from pathlib import Path; from iquitos_citylearn.params import load_params; load_params(Path('params.yaml'))"
)
SNIPPETS = {
    "iquitos --help": "import sys; from iquitos_citylearn.cli import app; sys.argv[1:] = ['--help']; app()",
    "import of the twin": "import iquitos_citylearn.env.setting, iquitos_citylearn.env.batch",
    "training: imports and params": f"{RARELY}import iquitos_citylearn.stages.train{PARAMS}",
    "training: imports of what trains": f"{RARELY}import iquitos_citylearn.training.seed",
    "evaluation: imports of the command, and params": f"{RARELY}import iquitos_citylearn.stages.evaluate{PARAMS}",
    "evaluation: imports of what runs candidates": f"{RARELY}import iquitos_citylearn.evaluation.trained",
    "evaluation: the same, and of what replays": (
        f"{RARELY}import iquitos_citylearn.evaluation.trained, iquitos_citylearn.env.citylearn"
    ),
    "baseline: imports of the command, and params": f"{RARELY}import iquitos_citylearn.stages.baseline{PARAMS}",
    "baseline: imports of what replays, meanwhile": f"{RARELY}import iquitos_citylearn.env.citylearn",
}
FIRST_STEP = (
    "import time; from bench.simulator import batch_rate; from bench.sites import setting_of; "
    f"{RARELY}start = time.process_time(); batch_rate(setting_of(), 1, 1, time.process_time)(); "
    "print(time.process_time() - start)"
)


def seconds(code: str) -> float:
    """Return the processor time of a Python that runs this code."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def first_step_s(**environment: str) -> float:
    """Return the processor time from the data set on disk to the first step, all imported."""
    command = [sys.executable, "-c", FIRST_STEP]
    done = subprocess.run(command, check=True, env=os.environ | environment, stdout=subprocess.PIPE)
    return float(done.stdout)


def start_up() -> dict[str, Any]:
    """Measure start-up, and once the first step with kernels to compile."""

    def of(code: str) -> Callable[[], float]:
        return lambda: seconds(code)

    contenders = {name: of(code) for name, code in SNIPPETS.items()}
    figures = measure(contenders | {"data set read and first step, kernels cached": first_step_s}, rounds=3)
    with tempfile.TemporaryDirectory() as empty:
        figures["the same, nothing cached"] = summary([first_step_s(NUMBA_CACHE_DIR=empty)])
    return figures
