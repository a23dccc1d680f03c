"""The command line: one thin command per stage. Heavy modules are imported inside the command that needs them."""

import contextlib
import io
import logging
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from iquitos_citylearn.runtime.process_memory import search_garbage_rarely
from iquitos_citylearn.runtime.standard_streams import flush_standard_streams

if TYPE_CHECKING:
    from collections.abc import Iterator

    from iquitos_citylearn.params import Params
    from iquitos_citylearn.policies.register import PolicyEntry

PARAMS_FILE = Path("params.yaml")

app = typer.Typer(
    help="Build a site's data set, train charging agents, evaluate them and the rules, and compare them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command("build-dataset")
def build_dataset_command() -> None:
    """Draw the headline year, the evaluation years and the training years."""
    from iquitos_citylearn.stages.build_dataset import build_dataset

    with _reported("build_dataset"):
        build_dataset(_params(), Path("data"), Path("metrics"))


@app.command()
def references() -> None:
    """Find what there is to gain in every year."""
    from iquitos_citylearn.stages.references import write_references

    with _reported("references"):
        write_references(_params())


@app.command()
def train(
    agent: Annotated[str, typer.Argument(help="Name of an agent in params.yaml (`train.<name>`).")],
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
    from iquitos_citylearn.stages import train as stage
    from iquitos_citylearn.training.jobs import RunOptions

    options = RunOptions(
        checkpoint_period_s=checkpoint_period,
        stall_timeout_s=stall_timeout,
        max_hours=max_hours,
        from_scratch=from_scratch,
    )
    from iquitos_citylearn.status.reporting import reported

    with reported(f"train_{agent}", stall_timeout_s=stall_timeout):
        params = _params()
        if agent not in params.train.agents:
            raise typer.BadParameter(f"agent is {agent!r}; valid are {', '.join(params.train.agents)}")
        stage.train(agent, params, options)


@app.command()
def evaluate(policy: Annotated[str, typer.Option(help="Name of a policy; `iquitos policies` lists them.")]) -> None:
    """Run a policy over the evaluation years, certified in CityLearn."""
    from iquitos_citylearn.policies.register import Kind

    params = _params()
    entry = _policy(policy, params)
    if entry.kind is Kind.AGENT:
        from iquitos_citylearn.runtime.fork_server import CANDIDATES
        from iquitos_citylearn.runtime.processes import begin_imports

        begin_imports(CANDIDATES)  # while this process imports the rest
        from iquitos_citylearn.stages.evaluate import evaluate_agent

        with _reported(f"evaluate@{entry.name}"):
            evaluate_agent(entry.name, params)
        return
    from iquitos_citylearn.stages.baseline import evaluate_baseline

    with _reported(f"baseline@{entry.name}") if entry.replayed_in_full else contextlib.nullcontext():
        evaluate_baseline(entry.name, params)


@app.command()
def policies() -> None:
    """List the policies of this site: rules, controllers, optima and agents."""
    from rich.console import Console
    from rich.table import Table

    from iquitos_citylearn.policies.register import policies_of

    table = Table("policy", "kind", "actions mean", "what it does", box=None)
    for entry in policies_of(_params()):
        table.add_row(entry.name, entry.kind, entry.action_mapping, entry.summary)
    Console().print(table)


@app.command()
def fit_level(
    seed: Annotated[int, typer.Option(min=0, help="Seed of the search.")] = 0,
    generations: Annotated[int, typer.Option(min=1, help="Generations of the search.")] = 20,
) -> None:
    """Fit the constants of the rule `level` to the training years, and print them as `params.yaml` wants them."""
    from iquitos_citylearn.stages.fit_level import fitted_constants

    _say(fitted_constants(_params(), seed=seed, generations=generations))


@app.command()
def rules() -> None:
    """Run the rules whose headline year is not replayed in full over the evaluation years."""
    from iquitos_citylearn.stages.rules import evaluate_rules

    with _reported("rules"):
        evaluate_rules(_params())


@app.command()
def trace(
    policy: Annotated[str | None, typer.Argument(help="Name of a policy; none: agents without a trace.")] = None,
) -> None:
    """Write the trace of a policy's headline year again, an agent's from the model of its median seed."""
    from iquitos_citylearn.stages.trace import trace_missing, trace_policy

    params = _params()
    for path in [trace_policy(_policy(policy, params), params)] if policy else trace_missing(params):
        _say(str(path))


@app.command()
def compare(
    allow_missing: Annotated[  # noqa: FBT002 - Typer makes it a flag
        bool, typer.Option("--allow-missing", help="Compare what is complete, and say who is absent; needs --out.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="File of such a partial comparison.")] = None,
) -> None:
    """Put every policy's result side by side."""
    from iquitos_citylearn.stages.compare import compare_present, compare_results

    if allow_missing != (out is not None):
        raise typer.BadParameter("--allow-missing and --out FILE belong together")
    if out is None:
        with _reported("compare"):
            _say(compare_results(_params()))
    else:
        _say(compare_present(_params(), out))


@app.command()
def status(
    watch: Annotated[  # noqa: FBT002 - Typer makes it a flag
        bool, typer.Option("--watch", help="Look again until all is done, one has failed, or the time is over.")
    ] = False,
    interval: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks.")] = 30.0,
    timeout: Annotated[float, typer.Option(min=0.0, help="Seconds to watch.")] = 2400.0,
) -> None:
    """Say how far every stage is. Exit status: 0 all done, 1 one failed, 2 in progress or waiting, 3 time over."""
    from rich.console import Console

    from iquitos_citylearn.status import view

    console = Console()
    raise typer.Exit(view.watch(console, interval, timeout) if watch else view.show(console))


@contextlib.contextmanager
def _reported(stage: str) -> "Iterator[None]":
    from iquitos_citylearn.status.reporting import ended_when_overdue, reported

    with reported(stage), ended_when_overdue(stage):
        yield


def _say(text: str) -> None:
    """Print; who has closed the pipe misses the text, and nothing else happens."""
    with contextlib.suppress(BrokenPipeError):  # what is left in the stream goes at the end of `main`
        typer.echo(text)


def _policy(name: str, params: "Params") -> "PolicyEntry":
    from iquitos_citylearn.policies.register import policy_named

    try:
        return policy_named(name, params)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _params() -> "Params":
    """Read the params; refuse to go on where this process computes in another way than they say."""
    from iquitos_citylearn.params import load_params
    from iquitos_citylearn.runtime.arithmetic_check import check_project_arithmetic

    params = load_params(PARAMS_FILE)
    check_project_arithmetic()
    return params


def main() -> None:
    """Run the program; what is wrong with an input is one message and exit status 1."""
    search_garbage_rarely()
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as stderr: a terminal may know no such letter
    try:
        app()
    except (ValueError, OSError, RuntimeError, FloatingPointError) as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(getattr(error, "exit_status", 1))
    finally:
        flush_standard_streams()
