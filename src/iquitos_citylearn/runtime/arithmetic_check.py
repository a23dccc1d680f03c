"""Check that the libraries of this process compute with the arithmetic that is chosen, and describe it.

A library that was loaded before the package has read none of the switches.
"""

import ctypes
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from threadpoolctl import threadpool_info

from iquitos_citylearn.runtime.arithmetic import (
    CONTRADICTING,
    FASTEST,
    PARAMS_FILE,
    PORTABLE,
    SWITCHES,
    UNPORTABLE,
    VARIABLE,
    arithmetic_of,
    chosen_arithmetic,
    missing_instructions,
    project_arithmetic,
)

CBWR_BRANCH, CBWR_COMPATIBLE = 1, 3
"""MKL_CBWR_BRANCH and MKL_CBWR_COMPATIBLE of MKL's headers."""


class ArithmeticMismatchError(RuntimeError):
    """The libraries of this process do not compute as chosen."""


def check_arithmetic() -> None:
    """Check the libraries that are loaded, where portable arithmetic is chosen and the processor has it.

    Raises
    ------
    ArithmeticMismatchError
        If one of them computes in another way; with its name.
    """
    if arithmetic_of(chosen_arithmetic()) == PORTABLE:
        found = list(_deviations())
        if found:
            raise ArithmeticMismatchError(
                f"arithmetic is not portable in this process: {'; '.join(found)}. It was loaded before the package: "
                f"import iquitos_citylearn before NumPy and torch, or set {VARIABLE}={FASTEST} for the bytes of this "
                "processor"
            )


def check_project_arithmetic() -> None:
    """Check the same, and that this process does what the params say, which `dvc.lock` records.

    Raises
    ------
    ArithmeticMismatchError
        If a library or the process computes in another way.
    """
    if chosen_arithmetic() != project_arithmetic():
        raise ArithmeticMismatchError(
            f"{VARIABLE} is {chosen_arithmetic()!r}, and dvc.lock would record {project_arithmetic()!r}: unset it, and "
            f"choose with the line `arithmetic:` of {PARAMS_FILE}"
        )
    check_arithmetic()


def describe_arithmetic() -> dict[str, str]:
    """Return the arithmetic in force and the routines that the loaded libraries have chosen, flat."""
    return {
        "arithmetic": arithmetic_of(chosen_arithmetic()),
        "missing_instructions": " ".join(missing_instructions()) or "none",
        "numpy_avx512": "used" if _numpy_avx512() else "not used",
        "openblas_core": ", ".join(sorted(_openblas_cores())) or "not loaded",
        "mkl_cbwr": _mkl_branch(),
        "torch_cpu_capability": _torch_capability(),
    } | {name.lower(): os.environ.get(name, "not set") for name in (*SWITCHES, *CONTRADICTING)}


def unportable_warning() -> str | None:
    """Return one line for the user of a processor without portable arithmetic; None on others."""
    if arithmetic_of(chosen_arithmetic()) != UNPORTABLE:
        return None
    return (
        f"This processor ({os.uname().machine}) lacks {' and '.join(missing_instructions())}: results will differ from "
        "the committed ones in their last digits or more; metrics/environment.json will say so."
    )


def _deviations() -> Iterator[str]:
    if _numpy_avx512():
        yield "NumPy uses AVX-512"
    for core in sorted(_openblas_cores() - {SWITCHES["OPENBLAS_CORETYPE"]}):
        yield f"OpenBLAS computes for {core}"
    if _torch_capability() not in {"AVX2", "not loaded"}:
        yield f"torch computes for {_torch_capability()}"
    if _mkl_branch() not in {"COMPATIBLE", "not loaded", "unknown"}:
        yield f"MKL has branch {_mkl_branch()}"


def _numpy_avx512() -> bool:
    core = sys.modules.get("numpy.core._multiarray_umath")
    return core is not None and any(
        core.__cpu_features__[name] for name in SWITCHES["NPY_DISABLE_CPU_FEATURES"].split()
    )


def _openblas_cores() -> set[str]:
    return {library["architecture"] for library in threadpool_info() if library["internal_api"] == "openblas"}


def _torch_capability() -> str:
    torch = sys.modules.get("torch")
    return "not loaded" if torch is None else str(torch.backends.cpu.get_cpu_capability())


def _mkl_branch() -> str:
    """Return the branch of the MKL in torch, which is linked into it under its internal names."""
    torch = sys.modules.get("torch")
    if torch is None:
        return "not loaded"
    library = Path(str(torch.__file__)).with_name("lib") / "libtorch_cpu.so"
    get = getattr(ctypes.CDLL(str(library)), "mkl_serv_cbwr_get", None) if library.is_file() else None
    if get is None:
        return "unknown"
    branch = get(CBWR_BRANCH)
    return "COMPATIBLE" if branch == CBWR_COMPATIBLE else f"number {branch}"
