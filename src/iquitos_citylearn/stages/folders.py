"""Where stages read and write, below the folder that a pipeline runs in."""

from pathlib import Path

DATA = Path("data")
METRICS = Path("metrics")
MODELS = Path("models")
REFERENCES = METRICS / "references.json"
