"""Compile base.in, servers.in and numerics.yaml into the locks; `make lock` calls this.

Versions that the present locks name are kept where they still fit, so the same inputs give the same bytes.
`--upgrade` takes the newest versions that fit instead.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent
BASE_LOCK = HERE / "base.lock"
TORCH_LOCK = HERE / "torch-cuda.lock"
SERVERS_LOCK = HERE / "servers.lock"
LOCKS = (BASE_LOCK, TORCH_LOCK, SERVERS_LOCK)
TORCH_CLOSURE = re.compile(r"(torch|triton|cuda-[a-z-]+|nvidia-[a-z0-9-]+)==")
"""torch and what its CUDA build brings; the CPU build needs none of it."""


def compile_lock(requirements: Path, pins: str, present: str, *, upgrade: bool) -> str:
    """Return the hashed lock of a list of requirements.

    Parameters
    ----------
    requirements : Path
        What is asked for.
    pins : str
        Versions to keep to, in pip's form.
    present : str
        The present lock, whose versions are kept where they still fit; not if `upgrade`.
    """
    with tempfile.TemporaryDirectory() as folder:
        constraints, output = Path(folder, "pins.txt"), Path(folder, "full.lock")
        constraints.write_text(pins, encoding="utf-8")
        if not upgrade:
            output.write_text(present, encoding="utf-8")
        command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-config"]
        command += ["--no-emit-index-url", "--no-header", "--no-annotate", "--generate-hashes"]
        command += ["--python-version", "3.11", "--python-platform", "x86_64-manylinux_2_28"]
        command += ["--constraint", str(constraints), "--override", str(HERE / "overrides.txt")]
        command += ["--output-file", str(output), str(requirements)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return output.read_text(encoding="utf-8")


def entries_of(lock: str) -> list[str]:
    """Return the hashed pins of a compiled lock."""
    entries = re.findall(r"^\S+==.*\n(?:[ ]+--hash=.*\n)+", lock, flags=re.MULTILINE)
    if "".join(entries) != lock:
        raise SystemExit("requirements/lock.py: the compiled lock has lines that are no hashed pins")
    return entries


def compile_all(*, upgrade: bool) -> dict[Path, str]:
    """Return every lock: what all machines install, torch's CUDA build, and what the servers of the tests add."""
    numerics = yaml.safe_load((HERE / "numerics.yaml").read_text(encoding="utf-8"))
    pins = "".join(f"{name}=={version}\n" for name, version in numerics.items())
    present = {lock: lock.read_text(encoding="utf-8") if lock.exists() else "" for lock in LOCKS}
    full = compile_lock(HERE / "base.in", pins, present[BASE_LOCK] + present[TORCH_LOCK], upgrade=upgrade)
    installed = entries_of(full)
    pins = "".join(f"{entry.split()[0]}\n" for entry in installed)
    servers = compile_lock(HERE / "servers.in", pins, present[SERVERS_LOCK], upgrade=upgrade)
    torch = [entry for entry in installed if TORCH_CLOSURE.match(entry)]
    return {
        BASE_LOCK: "".join(entry for entry in installed if entry not in torch),
        TORCH_LOCK: "".join(torch),
        SERVERS_LOCK: "".join(entry for entry in entries_of(servers) if entry.split()[0] not in pins.split()),
    }


if __name__ == "__main__":
    for path, content in compile_all(upgrade="--upgrade" in sys.argv[1:]).items():
        # A lock that stays the same is not touched: a newer one makes `make` install again.
        if not path.exists() or path.read_text(encoding="utf-8") != content:
            path.write_text(content, encoding="utf-8")
