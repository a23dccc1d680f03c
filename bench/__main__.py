"""`python -m bench [part ...]`: measure, write metrics/bench.json and the table; `compare`: hold it to the baseline.

Each part runs in a process of its own, so that its memory is its own. No ready tool is used: pyperf, pytest-benchmark,
asv and hyperfine run one contender to its end before the next, so on a shared machine their ratios compare two loads.
Alternating them takes twenty lines (`bench/harness.py`).
"""

import json
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from bench.parts import ON_REQUEST, PARTS, measured
from iquitos_citylearn.runtime.artifacts import write_bytes, write_json

RESULT, BASELINE, DOCUMENT = Path("metrics/bench.json"), Path("bench/baseline.json"), Path("docs/performance.md")
BEGIN, END = "<!-- bench: begin -->\n", "<!-- bench: end -->\n"


def table(parts: dict[str, Any]) -> str:
    """Return the figures as Markdown."""
    lines = ["| part | what | median | range | unit | ratio | note |", "|---|---|---|---|---|---|---|"]
    for part, content in parts.items():
        for name, row in content["figures"].items():
            ratio = f"{row['ratio']['median']:,.2f}" if "ratio" in row else ""
            median, lowest, highest = (_figure(row[key]) for key in ("median", "lowest", "highest"))
            cells = [part, name, median, f"{lowest} to {highest}", content["unit"], ratio, row.get("note", "")]
            lines.append(f"| {' | '.join(cells)} |")
    runs = "; ".join(
        f"{part} {c['run']['date']}, load {c['run']['load_average']:.1f} on {c['run']['cores']} cores, "
        f"{c['run']['peak_rss_mib']:,.0f} MiB"
        for part, c in parts.items()
    )
    return (
        "\n".join(lines)
        + f"\n\n{runs}. Ratios are to the last row of a part, in the same round; memory is the peak of "
        "the part's largest process.\n"
    )


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def run(names: list[str]) -> None:
    """Measure parts and write each beside those measured before."""
    for name in names:
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            part = pool.submit(measured, name).result()
        parts = json.loads(RESULT.read_text(encoding="ascii")) if RESULT.exists() else {}
        parts[name] = part
        write_json(RESULT, {known: parts[known] for known in PARTS if known in parts})
    write_table()


def write_table() -> None:
    """Write the table into the document."""
    before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    content = table(json.loads(RESULT.read_text(encoding="ascii")))
    write_bytes(DOCUMENT, (before + BEGIN + content + END + after).encode("utf-8"))


def compare() -> None:
    """Print how each figure differs from the baseline's."""
    now, then = (json.loads(path.read_text(encoding="ascii")) for path in (RESULT, BASELINE))
    for part in (name for name in now if name in then):
        for name in (name for name in now[part]["figures"] if name in then[part]["figures"]):
            new, old = (side[part]["figures"][name]["median"] for side in (now, then))
            print(f"{part:14} {name:42} {old:12,.4g} -> {new:12,.4g} {new / old - 1:+7.0%} {now[part]['unit']}")


if __name__ == "__main__":
    if sys.argv[1:] == ["compare"]:
        compare()
    else:
        run(sys.argv[1:] or [name for name in PARTS if name not in ON_REQUEST])
