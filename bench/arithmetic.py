"""Portable arithmetic against the fastest of this processor: trainings, the data set, linear programs.

Libraries read their switches once, so each arithmetic has a process of its own. Both do the same work in turns and
answer with its processor time.
"""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

from bench.harness import measure
from bench.once import linear_program_alone, timed
from bench.training import Training
from iquitos_citylearn.params import load_params
from iquitos_citylearn.runtime.arithmetic import CHOICES, SWITCHES, VARIABLE
from iquitos_citylearn.runtime.arithmetic_check import check_arithmetic
from iquitos_citylearn.site.draw import draw_site

ROUNDS = 5
N_STEPS = 1000
"""Steps of a training that a figure is for."""


@cache
def training(agent: str) -> Training:
    return Training(agent, load_params(Path("params.yaml")), twin=True)


def draw() -> None:
    draw_site(load_params(Path("params.yaml")).site, 1)


WORK: dict[str, Callable[[], float]] = {
    "SAC, 1,000 steps": lambda: N_STEPS / training("sac")(),
    "PPO, 1,000 steps": lambda: N_STEPS / training("ppo")(),
    "A2C, 1,000 steps": lambda: N_STEPS / training("a2c")(),
    "data set, one year": timed(time.process_time, draw),
    "linear program, least CO2": timed(time.process_time, linear_program_alone),
}
"""Work by name: functions that return seconds of processor time."""


def arithmetic() -> dict[str, Any]:
    """Compare both for every work."""
    figures: dict[str, Any] = {}
    with contextlib.ExitStack() as stack:
        answers = {choice: stack.enter_context(_process(choice)) for choice in CHOICES}
        for name in WORK:
            contenders = {f"{name}, {choice}": partial(answer, name) for choice, answer in answers.items()}
            figures |= measure(contenders, ROUNDS)
    return figures


@contextlib.contextmanager
def _process(choice: str) -> Iterator[Callable[[str], float]]:
    """Start a process of one arithmetic; yield a function that lets it do a work."""
    environment = {name: value for name, value in os.environ.items() if name not in SWITCHES} | {VARIABLE: choice}
    command = [sys.executable, "-m", "bench.arithmetic"]
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def ask(name: str) -> float:
            process.stdin.write(f"{name}\n")
            return float(process.stdout.readline())

        try:
            yield ask
        finally:
            process.stdin.close()


def _answer() -> None:
    """Do each work that a line of standard input names; write its seconds, and nothing else, to standard output."""
    with os.fdopen(os.dup(1), "w", buffering=1) as answers:
        os.dup2(2, 1)  # a solver prints its name
        for line in sys.stdin:
            answers.write(f"{WORK[line.rstrip()]()}\n")
            check_arithmetic()


if __name__ == "__main__":
    _answer()
