"""Stage compare: every policy's result side by side."""

from pathlib import Path

from iquitos_citylearn.artifacts import write_bytes, write_json
from iquitos_citylearn.comparison import compare, comparison_table, read_results, verdict
from iquitos_citylearn.environment import describe_environment

METRICS_FOLDER = Path("metrics")
POLICIES = ("UNCONTROLLED", "REQUIRED", "OPTIMUM", "SAC", "PPO", "A2C")


def compare_results() -> str:
    """Write `comparison.json`, `comparison.md` and `environment.json`; return the readable table."""
    comparison = compare(read_results(METRICS_FOLDER / f"result_{name}.json" for name in POLICIES))
    text = comparison_table(comparison) + "\n" + verdict(comparison) + "\n"
    write_json(METRICS_FOLDER / "comparison.json", comparison)
    write_bytes(METRICS_FOLDER / "comparison.md", text.encode("utf-8"))
    write_json(METRICS_FOLDER / "environment.json", describe_environment())
    return text
