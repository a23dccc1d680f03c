"""Where stages read and write, below the folder that a pipeline runs in."""

from pathlib import Path

DATA = Path("data")
METRICS = Path("metrics")
MODELS = Path("models")
RUNS = Path("runs")
REFERENCES = METRICS / "references.json"


def model_file(agent: str, seed: int) -> Path:
    """Return where the model of a seed is.

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
