"""Write LICENCES.md: every package of the locks with the licence that its own metadata states; `make licences`."""

import json
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
LOCKS = ("base.lock", "torch-cuda.lock", "servers.lock")
HEADER = """# Licences of the locked packages

As each package's own metadata states them; written by `make licences`. `torch-cuda.lock` is installed in the CUDA image
alone, `servers.lock` for `make test-servers` alone.
"""


def metadata_of(lock: Path) -> list[dict]:
    """Return the metadata of all packages of a lock, as pip's report has it; nothing is installed."""
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--no-deps", "--quiet"]
    command += ["--require-hashes", "--report", "-", "--requirement", str(lock)]
    report = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return [item["metadata"] for item in json.loads(report)["install"]]


def licence(metadata: dict) -> str:
    """Return the licence expression of a package, or else its classifiers, or else its free text's first line."""
    classifiers = [item.split(" :: ")[-1] for item in metadata.get("classifier", []) if item.startswith("License ::")]
    stated = (metadata.get("license") or "").strip().split("\n")[0]
    return metadata.get("license_expression") or "; ".join(classifiers) or stated[:80] or "not stated"


def table(lock: Path) -> str:
    """Return a lock's packages as a Markdown table."""
    rows = sorted(
        (re.sub(r"[-_.]+", "-", item["name"]).lower(), item["version"], licence(item)) for item in metadata_of(lock)
    )
    lines = "".join(f"| {name} | {version} | {stated} |\n" for name, version, stated in rows)
    return f"\n## {lock.name}\n\n| package | version | licence |\n|---|---|---|\n{lines}"


if __name__ == "__main__":
    (HERE / "LICENCES.md").write_text(HEADER + "".join(table(HERE / lock) for lock in LOCKS), encoding="utf-8")
