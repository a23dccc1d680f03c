"""The command line: one thin command per stage. Heavy modules are imported inside the command that needs them."""

import logging
import math
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from iquitos_citylearn.params import Params

PARAMS_FILE = Path("params.yaml")

app = typer.Typer(
    help="Train charging agents for the mall in Iquitos, evaluate them beside rules, and compare them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


class Agent(StrEnum):
    """Learned policies."""

    SAC = "sac"
    PPO = "ppo"
    A2C = "a2c"


class Policy(StrEnum):
    """All policies."""

    SAC = "sac"
    PPO = "ppo"
    A2C = "a2c"
    UNCONTROLLED = "uncontrolled"
    REQUIRED = "required"
    OPTIMUM = "optimum"
    LATEST = "latest"
    LEAST_LAXITY = "least_laxity"
    SOLAR_FOLLOWING = "solar_following"
    RANDOM = "random"
    IDLE = "idle"


BASELINES = (Policy.UNCONTROLLED, Policy.REQUIRED, Policy.OPTIMUM)
"""Policies without a model whose headline year CityLearn replays in full."""


@app.command("build-dataset")
def build_dataset_command() -> None:
    """Draw the headline year and the training years."""
    from iquitos_citylearn.stages.build_dataset import build_dataset

    build_dataset(_params(), Path("data"), Path("metrics"))


@app.command()
def references() -> None:
    """Find what there is to gain in every year."""
    from iquitos_citylearn.stages.references import write_references

    write_references(_params())


@app.command()
def train(
    agent: Annotated[Agent, typer.Argument(help="Which agent.")],
    from_scratch: Annotated[  # noqa: FBT002 - Typer makes it a flag
        bool, typer.Option("--from-scratch", envvar="IQUITOS_FROM_SCRATCH", help="Remove checkpoints first.")
    ] = False,
    checkpoint_period: Annotated[
        float, typer.Option(envvar="IQUITOS_CHECKPOINT_PERIOD", min=0, help="Seconds between checkpoints, at least.")
    ] = 10.0,
    stall_timeout: Annotated[
        float,
        typer.Option(envvar="IQUITOS_STALL_TIMEOUT", min=1, help="End the training after so many seconds of no step."),
    ] = 600.0,
    max_hours: Annotated[
        float, typer.Option(envvar="IQUITOS_MAX_HOURS", min=0, help="End the training after so many hours.")
    ] = math.inf,
) -> None:
    """Train every seed of an agent, from its newest checkpoint on. No option changes a result."""
    from iquitos_citylearn.agents.jobs import RunOptions
    from iquitos_citylearn.stages import train as stage

    options = RunOptions(
        checkpoint_period_s=checkpoint_period,
        stall_timeout_s=stall_timeout,
        max_hours=max_hours,
        from_scratch=from_scratch,
    )
    stage.train(agent.value, _params(), options)


@app.command()
def evaluate(policy: Annotated[Policy, typer.Option(help="Which policy.")]) -> None:
    """Run a policy over the evaluation years, certified in CityLearn."""
    params = _params()
    if policy.value in list(Agent):
        from iquitos_citylearn.stages.evaluate import evaluate_agent

        evaluate_agent(policy.value, params)
    elif policy in BASELINES:
        from iquitos_citylearn.stages.baseline import evaluate_baseline

        evaluate_baseline(policy.value, params)
    else:
        from iquitos_citylearn.stages.rule import evaluate_rule

        evaluate_rule(policy.value, params)


@app.command()
def trace(agent: Annotated[Agent, typer.Argument(help="Which agent.")]) -> None:
    """Write the trace of an agent's median seed again, from its model."""
    from iquitos_citylearn.stages.evaluate import trace_agent

    typer.echo(trace_agent(agent.value, _params()))


@app.command()
def compare() -> None:
    """Put every policy's result side by side."""
    from iquitos_citylearn.stages.compare import compare_results

    typer.echo(compare_results(_params()))


def _params() -> "Params":
    from iquitos_citylearn.params import load_params

    return load_params(PARAMS_FILE)


def main() -> None:
    """Run the program; what is wrong with an input is one message and exit status 1."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    try:
        app()
    except (ValueError, OSError, RuntimeError, FloatingPointError) as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(getattr(error, "exit_status", 1))
