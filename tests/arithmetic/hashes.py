"""`python -m tests.arithmetic.hashes [FILE]`: hashes of probes and of the tiny run on this processor, as JSON.

Without a file they are written to tests/golden/arithmetic.json, to be committed: after a change of versions, of
`tests/golden/arithmetic.yaml`, or of code that changes results.
"""

import json
import sys
import tempfile
from pathlib import Path

from tests.arithmetic.probes import PROBES, probe_hashes
from tests.arithmetic.tiny_run import tiny_run
from tests.pipelines import ROOT

GOLDEN = ROOT / "tests" / "golden" / "arithmetic.json"
NEW_HASHES = "python -m tests.arithmetic.hashes"


def describe_difference(committed: dict[str, dict[str, str]], found: dict[str, dict[str, str]]) -> str:
    """Return which outputs differ, and which libraries do by themselves; nothing if none."""
    outputs, probes = (_differing(committed[part], found[part]) for part in ("outputs", "probes"))
    if not outputs and not probes:
        return ""
    lines = [f"differs from {GOLDEN.name}: {', '.join(outputs) or 'no output'}"]
    lines += [f"{name}: differs by itself; its switch is {PROBES[name].switch}" for name in probes]
    if not probes:
        lines.append(
            "every library by itself gives the same bytes, so code, params or an operation that no probe has are the "
            f"cause; if the change of results is meant: {NEW_HASHES}"
        )
    return "\n".join(lines)


def _differing(committed: dict[str, str], found: dict[str, str]) -> list[str]:
    return [name for name in {**committed, **found} if committed.get(name) != found.get(name)]


def hashes() -> dict[str, dict[str, str]]:
    """Return the hashes on this processor."""
    with tempfile.TemporaryDirectory() as folder:
        return {"probes": probe_hashes(), "outputs": tiny_run(Path(folder))}


if __name__ == "__main__":
    file = Path(sys.argv[1]) if sys.argv[1:] else GOLDEN
    file.write_text(json.dumps(hashes(), indent=2) + "\n", encoding="ascii")
