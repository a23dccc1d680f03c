"""Files that stages read and write, below the folder that a pipeline runs in."""

from pathlib import Path

DATA = Path("data")
METRICS = Path("metrics")
MODELS = Path("models")
RUNS = Path("runs")
REFERENCES = METRICS / "references.json"


def result_file(name: str, metrics: Path = METRICS) -> Path:
    """Return the path of a policy's result, from its name in upper case."""
    return metrics / f"result_{name}.json"


def trace_file(name: str) -> Path:
    """Return the path of the trace of a policy's headline year, from its name in upper case."""
    return METRICS / "simulations" / f"trace_{name}.csv"


def model_file(agent: str, seed: int) -> Path:
    """Return the path of the model of a seed.

    Raises
    ------
    FileNotFoundError
        If it is not there; says how to get it.
    """
    path = MODELS / agent / f"seed_{seed}.zip"
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: no model; `dvc repro train_{agent}` trains it, `dvc pull` fetches a released one"
        )
    return path
