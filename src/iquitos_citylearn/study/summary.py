"""The cases of the study beside the default run: captured shares of all policies, and what each case says."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from iquitos_citylearn.comparison.text import best_agent_and_rule, serves, shown_percent, verdict
from iquitos_citylearn.evaluation.key_figures import KEY_FIGURES, NOT_KNOWN
from iquitos_citylearn.runtime.artifacts import read_json, write_bytes
from iquitos_citylearn.runtime.folders import METRICS

DEFAULT = "default"
COMPARISON = "comparison.json"
RESULTS = Path("study/results")


def write_summary() -> None:
    """Write the tables of the study that stands here, beside its results."""
    write_bytes(RESULTS / "README.md", summary(METRICS, RESULTS).encode("utf-8"))


def summary(metrics: Path, results: Path) -> str:
    """Return the tables as Markdown.

    Parameters
    ----------
    metrics, results : Path
        Folders of the default run's comparison, and of the cases, one each.

    Raises
    ------
    ArtifactError
        If a comparison is damaged.
    """
    cases = {DEFAULT: read_json(metrics / COMPARISON)}
    cases |= {file.parent.name: read_json(file) for file in sorted(results.glob(f"*/{COMPARISON}"))}
    parts = [
        "# The study",
        "Written by `make study` from the comparisons in these folders; `run.json` in each says when and by which "
        "command. Cells are means over seeds and over years that no agent trained on, every kWh that a car lacked "
        "imported after all; an asterisk marks a policy that serves fewer cars than the optimum of its case.",
        "## Does a learned controller beat the rules?",
        *_best_of_each(cases),
        "## Captured share of what there is to gain in CO2",
        _table(cases, "captured_share_co2"),
        "## The same for cost",
        _table(cases, "captured_share_cost"),
        "## What each case says",
        *(f"**{name}**: {verdict(comparison)}" for name, comparison in cases.items()),
    ]
    return "\n\n".join(parts) + "\n"


def _best_of_each(cases: Mapping[str, Mapping[str, Any]]) -> tuple[str, str]:
    """Return in which cases the best agent takes more than the best rule, and a table of both."""
    lines = ["| case | of the | best rule | takes | best agent | takes |", "|---|---|---|---:|---|---:|"]
    beaten = []
    for case, comparison in cases.items():
        policies = comparison["policies"]
        for kind, figure in (("CO2", "captured_share_co2"), ("cost", "captured_share_cost")):
            best = best_agent_and_rule(policies, figure)
            if best is None:
                continue
            agent, rule = best
            cells = (case, kind, rule, _cell(policies, rule, figure), agent, _cell(policies, agent, figure))
            lines.append("| " + " | ".join(cells) + " |")
            if shown_percent(policies[agent], figure) > shown_percent(policies[rule], figure):
                beaten.append(f"{case} ({kind}, {agent})")
    said = f"In {', '.join(beaten)}." if beaten else "Nowhere: in no case does an agent take more than the best rule."
    return said, "\n".join(lines)


def _table(cases: Mapping[str, Mapping[str, Any]], figure: str) -> str:
    policies = list(dict.fromkeys(name for comparison in cases.values() for name in comparison["policies"]))
    lines = ["| policy | " + " | ".join(cases) + " |", "|---|" + "---:|" * len(cases)]
    for name in policies:
        cells = (_cell(comparison["policies"], name, figure) for comparison in cases.values())
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(policies: Mapping[str, Mapping[str, Any]], name: str, figure: str) -> str:
    if figure not in policies.get(name, {}):
        return NOT_KNOWN
    mark = "" if serves(policies[name], policies) else "*"
    return KEY_FIGURES[figure].text(policies[name][figure]["mean"]) + mark


if __name__ == "__main__":
    write_summary()
