"""Stage compare: every policy's result side by side."""

from collections.abc import Iterable
from pathlib import Path

from iquitos_citylearn.comparison.compare import compare, read_present, read_results
from iquitos_citylearn.comparison.seed_statistics import Resampling
from iquitos_citylearn.comparison.text import comparison_text
from iquitos_citylearn.params import Params
from iquitos_citylearn.runtime.artifacts import write_bytes, write_json
from iquitos_citylearn.runtime.folders import METRICS
from iquitos_citylearn.runtime.versions import describe_environment

POLICIES = (
    "UNCONTROLLED",
    "REQUIRED",
    "LATEST",
    "LEAST_LAXITY",
    "SOLAR_FOLLOWING",
    "RANDOM",
    "IDLE",
    "OPTIMUM",
    "SAC",
    "PPO",
    "A2C",
)


def compare_results(params: Params) -> str:
    """Write `comparison.json`, `comparison.md` and `environment.json`; return the readable text."""
    text = write_comparison(result_files(METRICS), params, METRICS)
    write_json(METRICS / "environment.json", describe_environment())
    return text


def write_comparison(files: Iterable[Path], params: Params, folder: Path) -> str:
    """Compare complete results; write `comparison.json` and `comparison.md` and return the readable text.

    Raises
    ------
    ArtifactError
        If a result is missing or not complete; nothing is written then.
    """
    comparison = compare(read_results(files), _resampling(params))
    text = comparison_text(comparison)
    write_json(folder / "comparison.json", comparison)
    write_bytes(folder / "comparison.md", text.encode("utf-8"))
    return text


def compare_present(params: Params, out: Path) -> str:
    """Compare the complete results alone; write them to `out`, with `absent` saying why each other one is not there.

    Raises
    ------
    ValueError
        If `out` is in the folder of the whole comparison.
    """
    if out.resolve().parent == METRICS.resolve():
        raise ValueError(f"{out}: {METRICS} is for the comparison of all policies; write elsewhere")
    results, absent = read_present(result_files(METRICS))
    comparison = compare(results, _resampling(params))
    write_json(out, comparison | {"absent": absent})
    return comparison_text(comparison) + "".join(f"\nabsent: {reason}" for reason in absent.values())


def result_files(metrics_folder: Path) -> list[Path]:
    """Return the results that are compared, in their order."""
    return [metrics_folder / f"result_{name}.json" for name in POLICIES]


def _resampling(params: Params) -> Resampling:
    chosen = params.evaluation
    return Resampling(chosen.bootstrap_resamples, chosen.confidence_level, chosen.bootstrap_seed)
