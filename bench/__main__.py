"""`python -m bench [part ...]`: measure, write metrics/bench.json and the table; `compare`: hold it to the baseline.

No ready tool is used: pyperf, pytest-benchmark, asv and hyperfine run one contender to its end before the next, so on a
shared machine their ratios compare two loads. Alternating them takes twenty lines (`bench/harness.py`).
"""

import json
import sys
from pathlib import Path
from typing import Any

from bench.harness import describe_run
from bench.simulator import chargers, simulators, two_processes
from bench.start_up import start_up
from iquitos_citylearn.artifacts import write_bytes, write_json

RESULT, BASELINE, DOCUMENT = Path("metrics/bench.json"), Path("bench/baseline.json"), Path("docs/performance.md")
BEGIN, END = "<!-- bench: begin -->\n", "<!-- bench: end -->\n"
PARTS = {
    "simulator": (simulators, "steps/s of processor time"),
    "two_processes": (two_processes, "environment-steps/s"),
    "chargers": (chargers, "ns per charger and step"),
    "start_up": (start_up, "s"),
}


def table(parts: dict[str, Any]) -> str:
    """Return the figures as Markdown."""
    lines = ["| part | what | median | range | unit | ratio |", "|---|---|---|---|---|---|"]
    for part, content in parts.items():
        for name, row in content["figures"].items():
            ratio = f"{row['ratio']['median']:,.2f}" if "ratio" in row and part != "start_up" else ""
            median, lowest, highest = (_figure(row[key]) for key in ("median", "lowest", "highest"))
            lines.append(f"| {part} | {name} | {median} | {lowest} to {highest} | {content['unit']} | {ratio} |")
    runs = "; ".join(
        f"{part} {c['run']['date']}, load {c['run']['load_average']:.1f} on {c['run']['cores']} cores, "
        f"{c['run']['peak_rss_mib']:,.0f} MiB"
        for part, c in parts.items()
    )
    return "\n".join(lines) + f"\n\n{runs}. Ratios are to the last row of a part, in the same round.\n"


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def run(names: list[str]) -> None:
    """Measure parts and write them beside those measured before."""
    parts = json.loads(RESULT.read_text(encoding="ascii")) if RESULT.exists() else {}
    for name in names:
        function, unit = PARTS[name]
        parts[name] = {"unit": unit, "figures": function(), "run": describe_run()}
    write_json(RESULT, parts)
    before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    write_bytes(DOCUMENT, (before + BEGIN + table(parts) + END + after).encode("utf-8"))


def compare() -> None:
    """Print how each figure differs from the baseline's."""
    now, then = (json.loads(path.read_text(encoding="ascii")) for path in (RESULT, BASELINE))
    for part in now.keys() & then.keys():
        for name in now[part]["figures"].keys() & then[part]["figures"].keys():
            new, old = (side[part]["figures"][name]["median"] for side in (now, then))
            print(f"{part:14} {name:42} {old:12,.4g} -> {new:12,.4g} {new / old - 1:+7.0%} {now[part]['unit']}")


if __name__ == "__main__":
    if sys.argv[1:] == ["compare"]:
        compare()
    else:
        run(sys.argv[1:] or list(PARTS))
