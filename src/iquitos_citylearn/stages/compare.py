"""Stage compare: the comparison of every policy's result."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from iquitos_citylearn.comparison.compare import compare, read_present, read_results
from iquitos_citylearn.comparison.seed_statistics import Resampling
from iquitos_citylearn.comparison.text import comparison_text
from iquitos_citylearn.evaluation.captured_share import read_references
from iquitos_citylearn.params import Params
from iquitos_citylearn.policies.register import policies_of
from iquitos_citylearn.runtime.artifacts import write_bytes, write_json
from iquitos_citylearn.runtime.folders import METRICS, REFERENCES, result_file
from iquitos_citylearn.runtime.versions import describe_environment


def compare_results(params: Params) -> str:
    """Write `comparison.json`, `comparison.md` and `environment.json`; return the readable text."""
    text = write_comparison(result_files(params, METRICS), REFERENCES, params, METRICS)
    write_json(METRICS / "environment.json", describe_environment())
    return text


def write_comparison(files: Iterable[Path], references: Path, params: Params, folder: Path) -> str:
    """Compare complete results; write `comparison.json` and `comparison.md` and return the readable text.

    `references` is the file of what there is to gain in their years.

    Raises
    ------
    ArtifactError
        If a result is missing or not complete, or a year has no reference; nothing is written then.
    """
    comparison = _compare(read_results(files), references, params)
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
    results, absent = read_present(result_files(params, METRICS))
    comparison = _compare(results, REFERENCES, params)
    write_json(out, comparison | {"absent": absent})
    return comparison_text(comparison) + "".join(f"\nabsent: {reason}" for reason in absent.values())


def result_files(params: Params, metrics_folder: Path) -> list[Path]:
    """Return the results of all policies of a site, in the order of the register."""
    return [result_file(entry.result_name, metrics_folder) for entry in policies_of(params)]


def _compare(results: Mapping[str, dict[str, Any]], references: Path, params: Params) -> dict[str, Any]:
    chosen, years = params.evaluation, {run["year"]: None for result in results.values() for run in result["runs"]}
    resampling = Resampling(chosen.bootstrap_resamples, chosen.confidence_level, chosen.bootstrap_seed)
    return compare(results, read_references(references, years), resampling, chosen.little_gain_share)
