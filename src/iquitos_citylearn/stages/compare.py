"""Stage compare: every policy's result side by side."""

from pathlib import Path

from iquitos_citylearn.artifacts import write_bytes, write_json
from iquitos_citylearn.comparison import compare, comparison_table, read_present, read_results, verdict
from iquitos_citylearn.environment import describe_environment

METRICS_FOLDER = Path("metrics")
POLICIES = ("UNCONTROLLED", "REQUIRED", "OPTIMUM", "SAC", "PPO", "A2C")


def compare_results() -> str:
    """Write `comparison.json`, `comparison.md` and `environment.json`; return the readable table."""
    comparison = compare(read_results(_files()))
    text = comparison_table(comparison) + "\n" + verdict(comparison) + "\n"
    write_json(METRICS_FOLDER / "comparison.json", comparison)
    write_bytes(METRICS_FOLDER / "comparison.md", text.encode("utf-8"))
    write_json(METRICS_FOLDER / "environment.json", describe_environment())
    return text


def compare_present(out: Path) -> str:
    """Compare the complete results alone; write them to `out`, with `absent` saying why each other policy is not there.

    Raises
    ------
    ValueError
        If `out` is a file of the stage, which holds every policy or nothing new.
    """
    if out.resolve().parent == METRICS_FOLDER.resolve():
        raise ValueError(f"{out}: {METRICS_FOLDER} is for the comparison of all policies; write elsewhere")
    results, absent = read_present(_files())
    comparison = compare(results)
    write_json(out, comparison | {"absent": absent})
    missing = "".join(f"absent: {reason}\n" for reason in absent.values())
    return comparison_table(comparison) + "\n" + missing


def _files() -> list[Path]:
    return [METRICS_FOLDER / f"result_{name}.json" for name in POLICIES]
