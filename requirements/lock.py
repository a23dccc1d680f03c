"""Compile base.in and numerics.yaml into base.lock and torch-cuda.lock; `make lock` calls this.

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
TORCH_CLOSURE = re.compile(r"(torch|triton|cuda-[a-z-]+|nvidia-[a-z0-9-]+)==")
"""torch and what its CUDA build brings; the CPU build needs none of it."""


def compile_full_lock(*, upgrade: bool) -> str:
    """Return the hashed lock of everything, the CUDA build of torch included."""
    numerics = yaml.safe_load((HERE / "numerics.yaml").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        constraints, output = Path(folder, "numerics.txt"), Path(folder, "full.lock")
        constraints.write_text("".join(f"{name}=={version}\n" for name, version in numerics.items()), encoding="utf-8")
        if not upgrade:
            output.write_text("".join(lock.read_text() for lock in (BASE_LOCK, TORCH_LOCK) if lock.exists()))
        command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-config"]
        command += ["--no-emit-index-url", "--no-header", "--no-annotate", "--generate-hashes"]
        command += ["--python-version", "3.11", "--python-platform", "x86_64-manylinux_2_28"]
        command += ["--constraint", str(constraints), "--override", str(HERE / "overrides.txt")]
        command += ["--output-file", str(output), str(HERE / "base.in")]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return output.read_text(encoding="utf-8")


def split(full_lock: str) -> tuple[str, str]:
    """Return the entries that every machine installs, and those of torch's CUDA build."""
    entries = re.findall(r"^\S+==.*\n(?:[ ]+--hash=.*\n)+", full_lock, flags=re.MULTILINE)
    if "".join(entries) != full_lock:
        raise SystemExit("requirements/lock.py: the compiled lock has lines that are no hashed pins")
    torch = [entry for entry in entries if TORCH_CLOSURE.match(entry)]
    return "".join(entry for entry in entries if entry not in torch), "".join(torch)


if __name__ == "__main__":
    locks = split(compile_full_lock(upgrade="--upgrade" in sys.argv[1:]))
    for path, content in zip((BASE_LOCK, TORCH_LOCK), locks, strict=True):
        # A lock that stays the same is not touched: a newer one makes `make` install again.
        if not path.exists() or path.read_text(encoding="utf-8") != content:
            path.write_text(content, encoding="utf-8")
