"""All policies side by side: mean and spread over seeds, differences to charging at once and to SAC."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from iquitos_citylearn.artifacts import ArtifactError, read_json
from iquitos_citylearn.results import COMPLETE, text_file

KEY_FIGURES = (
    "co2_kg",
    "cost_usd",
    "grid_import_kwh",
    "grid_export_kwh",
    "peak_import_kw",
    "evening_peak_import_kw",
    "self_consumption",
    "ev_charging_kwh",
    "ev_service",
    "ev_unmet_kwh",
    "ev_overdelivered_kwh",
    "reward.total",
)
REFERENCES = ("UNCONTROLLED", "SAC")
DIFFERENCES = ("co2_kg", "cost_usd", "peak_import_kw", "ev_unmet_kwh", "reward.total")
SERVING = 0.99
"""A policy whose service is below this saves CO2 by leaving cars without what they need."""
LITTLE_SHARE = 0.10
"""Below this share of uncontrolled CO2 the report calls the gain small."""


def read_results(files: Iterable[Path]) -> dict[str, dict[str, Any]]:
    """Read complete results, in the order of the files, by the policy's name.

    Raises
    ------
    ArtifactError
        If one is missing, unreadable or not complete; names every such file.
    """
    results, problems = read_present(files)
    if problems:
        raise ArtifactError("nothing was compared:\n  " + "\n  ".join(problems.values()))
    return results


def read_present(files: Iterable[Path]) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Return the complete results by the policy's name, and by file name why each of the others is none."""
    results, problems = {}, {}
    for file in files:
        try:
            content = _read_complete(file)
        except ArtifactError as error:
            problems[file.name] = str(error)
        else:
            results[str(content["agent"])] = content
    return results, problems


def _read_complete(file: Path) -> dict[str, Any]:
    if text_file(file).exists():
        raise ArtifactError(f"{file}: could not be written; {text_file(file)} says why")
    content = read_json(file)
    if content.get("status") != COMPLETE:
        raise ArtifactError(f"{file}: status is {content.get('status')!r}, not {COMPLETE!r}")
    if not content.get("agent") or not content.get("runs"):
        raise ArtifactError(f"{file}: has no agent or no runs")
    return content


def compare(results: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Compare results.

    Parameters
    ----------
    results : mapping
        Complete results by policy, as `evaluation.evaluate` writes them.

    Returns
    -------
    dict
        Per policy: every key figure over its seeds (`mean`, `std`, `min`, `max`; a figure that some seed lacks is
        left out), `n_seeds`, and the differences of means to each reference (negative: less than it).
    """
    spread = {name: _spread(result["runs"]) for name, result in results.items()}
    return {
        name.lower(): {"n_seeds": len(results[name]["runs"])} | figures | _differences(name, spread)
        for name, figures in spread.items()
    }


def _spread(runs: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    spread = {}
    for name in KEY_FIGURES:
        values = [_figure(run, name) for run in runs]
        numbers = [value for value in values if value is not None]
        if len(numbers) == len(values):
            deviation = stdev(numbers) if len(numbers) > 1 else 0.0
            spread[name] = {"mean": fmean(numbers), "std": deviation, "min": min(numbers), "max": max(numbers)}
    return {name.replace(".", "_"): figures for name, figures in spread.items()}


def _figure(run: Mapping[str, Any], name: str) -> float | None:
    value: Any = run
    for part in name.split("."):
        value = value[part]
    return None if value is None else float(value)


def _differences(name: str, spread: Mapping[str, Mapping[str, Mapping[str, float]]]) -> dict[str, dict[str, float]]:
    differences = {}
    for reference in REFERENCES:
        if reference not in spread or reference == name:
            continue
        differences[f"minus_{reference.lower()}"] = {
            key: spread[name][key]["mean"] - spread[reference][key]["mean"]
            for key in (figure.replace(".", "_") for figure in DIFFERENCES)
            if key in spread[name] and key in spread[reference]
        }
    return differences


def comparison_table(comparison: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the comparison as a Markdown table: means over seeds, the spread behind +-."""
    header = ("policy", "CO2 [t]", "cost [kUSD]", "peak import [kW]", "EV energy [MWh]", "EV service", "unmet [kWh]",
              "CO2 against uncontrolled [kg]")  # fmt: skip
    lines = ["| " + " | ".join(header) + " |", "|---|" + "---:|" * (len(header) - 1)]
    for name, figures in comparison.items():
        against = figures.get("minus_uncontrolled", {}).get("co2_kg")
        cells = (
            f"{name} ({figures['n_seeds']} seeds)" if figures["n_seeds"] > 1 else name,
            _cell(figures["co2_kg"], 1e-3, 2),
            _cell(figures["cost_usd"], 1e-3, 3),
            _cell(figures["peak_import_kw"], 1.0, 1),
            _cell(figures["ev_charging_kwh"], 1e-3, 2),
            _cell(figures["ev_service"], 100.0, 2, " %") if "ev_service" in figures else "-",
            _cell(figures["ev_unmet_kwh"], 1.0, 1),
            "-" if against is None else f"{against:+,.0f}",
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def verdict(comparison: Mapping[str, Mapping[str, Any]]) -> str:
    """Return what there is to gain against charging at once, and who gains it, in a sentence or two."""
    base = comparison["uncontrolled"]["co2_kg"]["mean"]
    serving = [name for name, figures in comparison.items() if _serves(figures)]
    best = min(serving, key=lambda name: comparison[name]["co2_kg"]["mean"], default="uncontrolled")
    gain_kg = base - comparison[best]["co2_kg"]["mean"]
    gain_usd = comparison["uncontrolled"]["cost_usd"]["mean"] - comparison[best]["cost_usd"]["mean"]
    share = gain_kg / base if base else 0.0
    text = (
        f"Least CO2 of the policies that serve the cars: {best}, {gain_kg:,.0f} kg and {gain_usd:,.0f} USD a year "
        f"below charging at once to full ({100 * share:.1f} % of the site's CO2)."
    )
    if "required" in comparison and share < LITTLE_SHARE:
        rule_kg = base - comparison["required"]["co2_kg"]["mean"]
        text += (
            f" That is little, and the rule `required` (charge at once, but only what the driver asked for) takes "
            f"{rule_kg:,.0f} kg of it without any learning."
        )
    return text


def _serves(figures: Mapping[str, Any]) -> bool:
    return "ev_service" not in figures or bool(figures["ev_service"]["mean"] >= SERVING)


def _cell(spread: Mapping[str, float], scale: float, decimals: int, unit: str = "") -> str:
    mean = f"{spread['mean'] * scale:,.{decimals}f}"
    return f"{mean} +- {spread['std'] * scale:,.{decimals}f}{unit}" if spread["std"] else mean + unit
