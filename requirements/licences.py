"""Write LICENCES.md: every package of the locks with the licence that its own metadata states; `make licences`."""

import re
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

HERE = Path(__file__).resolve().parent
LOCKS = ("base.lock", "torch-cuda.lock", "servers.lock")
HEADER = """# Licences of the locked packages

As each package's own metadata states them; written by `make licences`, after `make test-servers` has installed the last
lock. `torch-cuda.lock` is installed in the CUDA image alone: what is not installed here carries its licence in its
wheel (NVIDIA's libraries: the CUDA end user licence agreement).
"""


def licence(name: str) -> str:
    """Return the licence expression of a package, or else its classifiers, or else its free text's first line."""
    try:
        found = metadata(name)
    except PackageNotFoundError:
        return "not installed here"
    classifiers = [item.split(" :: ")[-1] for item in found.get_all("Classifier", []) if item.startswith("License ::")]
    stated = found.get("License", "").strip().partition("\n")[0]
    return found.get("License-Expression") or "; ".join(classifiers) or stated or "not stated"


def table(lock: Path) -> str:
    """Return a lock's packages as a Markdown table."""
    pins = re.findall(r"^(\S+)==(\S+)", lock.read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = "".join(f"| {name} | {version} | {licence(name)} |\n" for name, version in pins)
    return f"\n## {lock.name}\n\n| package | version | licence |\n|---|---|---|\n{lines}"


if __name__ == "__main__":
    (HERE / "LICENCES.md").write_text(HEADER + "".join(table(HERE / lock) for lock in LOCKS), encoding="utf-8")
