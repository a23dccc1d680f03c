"""What a run was made with: versions, torch build, processor. Recorded beside the results, never inside them."""

import platform
from importlib.metadata import version
from pathlib import Path

import torch
from threadpoolctl import threadpool_info

DECIDING_PACKAGES = (
    "citylearn",
    "gymnasium",
    "highspy",
    "llvmlite",
    "numba",
    "numpy",
    "pandas",
    "pvlib",
    "pyarrow",
    "sb3-contrib",
    "scipy",
    "stable-baselines3",
    "torch",
)
CPU_INFO = Path("/proc/cpuinfo")
DECIDING_FLAGS = ("sse4_2", "avx", "avx2", "fma", "avx512f", "avx512dq", "avx512bw", "avx512vl")
"""Instructions that the libraries choose their kernels by."""


def describe_environment() -> dict[str, object]:
    """Return versions of the packages that decide results, torch's build, and the processor.

    No value is a list: DVC leaves lists out of a difference.
    """
    flags = _cpu_info("flags").split()
    return {
        "python": platform.python_version(),
        "packages": {name: version(name) for name in DECIDING_PACKAGES},
        "torch_cuda": torch.version.cuda or "none",
        "torch_cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "blas": ", ".join(sorted({f"{library['internal_api']} {library['version']}" for library in threadpool_info()})),
        "machine": platform.machine(),
        "cpu": _cpu_info("model name") or platform.processor() or "unknown",
        "cpu_flags": " ".join(flag for flag in DECIDING_FLAGS if flag in flags),
    }


def _cpu_info(field: str) -> str:
    """Return a field of the first processor, empty where there is none."""
    if CPU_INFO.is_file():
        for line in CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith(field):
                return line.partition(":")[2].strip()
    return ""
