"""The result of a stage in a line, from the small files that it wrote."""

import contextlib
from collections.abc import Callable, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from iquitos_citylearn.evaluation.captured_share import Reference
from iquitos_citylearn.evaluation.judged import JUDGED
from iquitos_citylearn.evaluation.key_figures import KEY_FIGURES
from iquitos_citylearn.runtime.artifacts import ArtifactError, read_json
from iquitos_citylearn.status.pipeline import Stage


def headline(stage: Stage) -> str:
    """Return the result of a stage that is done; empty where its outputs cannot be read."""
    for output in map(Path, stage.outputs):
        for pattern, read in HEADLINES.items():
            if fnmatch(output.as_posix(), pattern):
                with contextlib.suppress(ArtifactError, OSError, KeyError):
                    return read(output)
                return f"{output}: not here; `dvc pull` brings what dvc.lock has recorded"
    return ""


def _of_result(file: Path) -> str:
    result = read_json(file)
    shown = [KEY_FIGURES[name] for name in ("co2_kg", "cost_usd", "ev_service")]
    texts = [f"{figure.label} {figure.text(result[figure.name])}" for figure in shown]
    n_seeds = len({run.get("seed") for run in result["runs"]})
    if n_seeds > 1:
        texts.append(f"median of {n_seeds} seeds")
    return ", ".join(texts)


def _of_models(folder: Path) -> str:
    record: Mapping[str, Any] = read_json(folder / "training.json")
    steps = {seed["timesteps"] for seed in record.values()}
    return f"seeds: {len(record)}, {' or '.join(f'{n:,}' for n in sorted(steps))} steps each"


def _of_dataset(file: Path) -> str:
    summary = read_json(file)
    return f"{summary['n_steps']:,} steps, {summary['n_chargers']} chargers, warnings: {len(summary['warnings'])}"


def _of_references(file: Path) -> str:
    """Return the smallest and the largest gain of an objective in a year, as far as it is more than rounding."""
    years = [Reference(**year) for year in read_json(file)["years"].values()]
    texts = [f"{len(years)} years"]
    for judged in JUDGED.values():
        gains = [ends.gain for year in years if (ends := year.ends(judged)).is_gain]
        form = KEY_FIGURES[judged.figure].print_form.with_decimals(1)
        known = f"{form.number(min(gains))} to {form.text(max(gains))}" if gains else "nothing"
        texts.append(f"{known} of {judged.label} to gain")
    return ", ".join(texts)


def _of_comparison(file: Path) -> str:
    """Return the first sentence of each line of the verdict."""
    verdict = file.read_text(encoding="utf-8").partition("\n\n")[0].splitlines()
    return "; ".join(line.removeprefix("- ").partition(". ")[0].rstrip(".") for line in verdict)


HEADLINES: Mapping[str, Callable[[Path], str]] = {
    "*/result_*.json": _of_result,
    "models/*": _of_models,
    "*/dataset.json": _of_dataset,
    "*/references.json": _of_references,
    "*/comparison.md": _of_comparison,
}
