"""Say on one screen what a run gave, where it is, and whether it has the bytes of the committed one; ends `make repro`.

Everything is read from files: the comparison, `dvc.lock`, which holds the hash of every result with all that it was
made from, and the last commit's `dvc.lock`.
"""

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table
from rich.text import Text

from iquitos_citylearn.comparison.gains import read_comparison
from iquitos_citylearn.comparison.tables import HEADLINE_COLUMNS, judged_columns
from iquitos_citylearn.comparison.text import verdict
from iquitos_citylearn.evaluation.judged import JUDGED
from iquitos_citylearn.runtime.artifacts import ArtifactError, read_json
from iquitos_citylearn.runtime.folders import METRICS
from iquitos_citylearn.tools.committed import committed_file, is_kept_by_git, last_commit_of
from iquitos_citylearn.tools.lock_difference import Difference, difference, leaves, with_values

LOCK, ENVIRONMENT, COMPARISON = Path("dvc.lock"), METRICS / "environment.json", METRICS / "comparison.json"
WIDTH_OF_A_FILE = 120
N_SHOWN = 4
OF_THE_PROCESSOR = ("cpu", "machine", "torch_cpu")
SHOWN = {"CO2 [t]", "cost [kUSD]", "EV service", "unmet [kWh]"}
FILES = (
    ("metrics/comparison.md", "all tables, and what they say"),
    ("metrics/result_<POLICY>.json", "figures of one policy: every seed, every year"),
    ("metrics/simulations/", "hour by hour"),
    ("models/<agent>/seed_<n>.zip", "trained models"),
)


def report(folder: Path, console: Console) -> None:
    """Print the screen.

    Raises
    ------
    ArtifactError
        If the comparison is missing or damaged.
    """
    comparison = read_comparison(folder / COMPARISON)
    console.print(verdict(comparison), markup=False, highlight=False)
    console.print()
    console.print(_table(comparison["policies"]))
    console.print()
    width = max(len(name) for name, _ in FILES)
    for name, what in FILES:
        console.print(f"{name:{width}}  {what}", markup=False, highlight=False)
    console.print()
    console.print(same_as_committed(folder), markup=False, highlight=False)


def same_as_committed(folder: Path) -> str:
    """Return whether the results of a folder are those of its last commit, and if not, which differ and why."""
    if not is_kept_by_git(folder):
        return "Whether these are the committed results can't be told: git does not keep this folder."
    before = committed_file(folder, LOCK.as_posix())
    if before is None:
        return "Whether these are the committed results can't be told: the last commit holds no dvc.lock."
    now = (folder / LOCK).read_text(encoding="utf-8")
    found = difference(yaml.safe_load(before), yaml.safe_load(now), but=ENVIRONMENT.as_posix())
    run = f"the committed run ({last_commit_of(folder, LOCK.as_posix())})"
    if not found.outs:
        return f"All {found.n_outs} results have the bytes of {run}."
    which = f"{len(found.outs)} of {found.n_outs} results differ from {run}: {_some(found.outs)}."
    return "\n".join([which, *_reasons(found, _environments(folder))])


def _reasons(found: Difference, environments: tuple[Mapping[str, Any], Mapping[str, Any]]) -> list[str]:
    """Return a line for each kind of thing that is not as it was."""
    changed = with_values(*environments)
    processor = [change for change in changed if change.startswith(OF_THE_PROCESSOR)]
    lines = [
        f"  {what}: {_some(items)}"
        for what, items in (
            ("params", found.params),
            ("code", found.code),
            ("commands", found.commands),
            ("your data", found.data),
            ("versions and arithmetic", [change for change in changed if change not in processor]),
            ("processor", processor),
        )
        if items
    ]
    if not lines:
        return ["Params, code, data, versions and processor are as they were: this should not be; please report it."]
    return ["What has changed since:", *lines]


def _environments(folder: Path) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return what the committed run and this one were made with, name by name; empty where it is not known."""
    before, file = committed_file(folder, ENVIRONMENT.as_posix()), folder / ENVIRONMENT
    if before is None or not file.is_file():
        return {}, {}
    return leaves(json.loads(before)), leaves(read_json(file))


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    more = len(listed) - N_SHOWN
    return ", ".join(listed[:N_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _table(policies: Mapping[str, Mapping[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False)
    headline = [column for column in HEADLINE_COLUMNS if column[0] in SHOWN]
    captured = [judged_columns(judged)[0] for judged in JUDGED.values()]
    years = [(f"{title}, all years", cell) for title, cell in captured]
    table.add_column("policy", no_wrap=True)
    for title, _ in (*headline, *years):
        table.add_column(Text(title), justify="right")  # no markup: units are in brackets
    for name, figures in policies.items():
        table.add_row(name, *(cell(figures) for _, cell in (*headline, *years)))
    return table


def main() -> None:
    """Print the screen for this folder."""
    console = Console()
    report(Path(), console if console.is_terminal else Console(width=WIDTH_OF_A_FILE))


if __name__ == "__main__":
    try:
        main()
    except (ArtifactError, ValueError, OSError) as error:
        sys.exit(f"error: {error}")
