"""The summary of the study: captured shares of all policies in the default run and in each case, and verdicts."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from iquitos_citylearn.comparison.gains import (
    CONTENDERS,
    best_of_kind,
    is_of_this_version,
    read_comparison,
    serves,
    shown_percent,
)
from iquitos_citylearn.comparison.text import verdict
from iquitos_citylearn.evaluation.judged import JUDGED
from iquitos_citylearn.evaluation.key_figures import KEY_FIGURES, NOT_KNOWN
from iquitos_citylearn.policies.register import Kind
from iquitos_citylearn.runtime.artifacts import read_json, write_bytes
from iquitos_citylearn.runtime.folders import METRICS
from iquitos_citylearn.study.twin_tables import twin_sections

DEFAULT = "default"
COMPARISON = "comparison.json"
RESULTS = Path("study/results")


def write_summary() -> None:
    """Write the summary into the folder of the results."""
    write_bytes(RESULTS / "README.md", summary(METRICS, RESULTS).encode("utf-8"))


def summary(metrics: Path, results: Path) -> str:
    """Return the tables as Markdown; a case that an earlier version has compared is named and left out.

    Parameters
    ----------
    metrics, results : Path
        Folders of the default run's comparison, and of the cases, one each.

    Raises
    ------
    ArtifactError
        If a comparison is missing or damaged, or that of the default run is of another version.
    """
    found = {file.parent.name: read_json(file) for file in sorted(results.glob(f"*/{COMPARISON}"))}
    earlier = [name for name, comparison in found.items() if not is_of_this_version(comparison)]
    cases = {DEFAULT: read_comparison(metrics / COMPARISON)}
    cases |= {name: comparison for name, comparison in found.items() if name not in earlier}
    parts = [
        "# The study",
        "Written by `make study` from the comparisons in these folders; `run.json` in each says when and by which "
        "command. Cells are means over seeds and over years that no agent trained on, every kWh that a car lacked "
        "imported after all; an asterisk marks a policy that serves fewer cars than the optimum of its case.",
        *(_named(name) for name in earlier),
        "## Does an agent beat what does not learn?",
        *_best_of_each(cases),
        *(
            text
            for judged in JUDGED.values()
            for text in (f"## Captured share of what there is to gain in {judged.label}", _table(cases, judged.share))
        ),
        *twin_sections(results),
        "## What each case says",
        *(text for name, comparison in cases.items() for text in (f"**{name}**", verdict(comparison))),
    ]
    return "\n\n".join(parts) + "\n"


def _named(case: str) -> str:
    return f"`{case}` was made by an earlier version and is not shown; `make study PART={case}` makes it anew."


def _best_of_each(cases: Mapping[str, Mapping[str, Any]]) -> tuple[str, str]:
    """Return in which cases the best agent takes more than all that does not learn, and a table of the best."""
    lines = ["| case | of the |" + "".join(f" best {kind} | takes |" for kind in CONTENDERS)]
    lines.append("|---|---|" + "---|---:|" * len(CONTENDERS))
    beaten = []
    for case, comparison in cases.items():
        policies = comparison["policies"]
        for judged in JUDGED.values():
            found = {kind: best_of_kind(kind, policies, judged.share) for kind in CONTENDERS}
            best = {kind: name for kind, name in found.items() if name is not None}
            taken = {kind: shown_percent(policies[name], judged.share) for kind, name in best.items()}
            cells = [case, judged.label]
            for kind in CONTENDERS:
                name = best.get(kind, NOT_KNOWN)
                cells += [name, _cell(policies, name, judged.share)]
            lines.append("| " + " | ".join(cells) + " |")
            agent = taken.pop(Kind.AGENT, None)
            if agent is not None and taken and agent > max(taken.values()):
                beaten.append(f"{case} ({judged.label}, {best[Kind.AGENT]})")
    nowhere = "Nowhere: in no case does an agent take more than the best rule and the best controller."
    return f"In {', '.join(beaten)}." if beaten else nowhere, "\n".join(lines)


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
