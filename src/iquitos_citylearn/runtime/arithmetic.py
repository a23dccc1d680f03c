"""Arithmetic of a process: portable, or the fastest of the processor. The package's `__init__.py` chooses it.

Numerical libraries choose their routines by the processor, and the last digits of a sum, a product or an exponential
depend on the routine. Under `portable` every library takes routines that all processors with AVX2 and FMA have, so that
they all give the same bytes. Libraries read these variables once, when they are loaded: they are set before that.
"""

import os
import re
from collections.abc import Iterable, Mapping, MutableMapping
from pathlib import Path

VARIABLE = "IQUITOS_ARITHMETIC"
"""Environment variable that chooses the arithmetic of one process and its children, whatever `PARAMS_FILE` says."""
PARAMS_FILE = Path("params.yaml")
"""File whose line `arithmetic: ...` chooses the arithmetic of the project in this folder; stages depend on it."""
PORTABLE, FASTEST, UNPORTABLE = "portable", "fastest", "unportable"
CHOICES = (PORTABLE, FASTEST)
NEEDED_FLAGS = ("avx2", "fma")
"""Instructions without which there is no portable arithmetic (x86-64-v3), as Linux names them."""
CPU_INFO = Path("/proc/cpuinfo")

NUMPY_DISABLED = "AVX512F AVX512CD AVX512_KNL AVX512_KNM AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL"
"""All that the locked NumPy can use beyond AVX2; a name that it does not know would be an error."""
SWITCHES = {
    "NPY_DISABLE_CPU_FEATURES": NUMPY_DISABLED,
    "OPENBLAS_CORETYPE": "Haswell",  # NumPy's OpenBLAS and SciPy's own
    "OPENBLAS_NUM_THREADS": "1",  # a long sum is one of partial sums, one per thread
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "MKL_CBWR": "COMPATIBLE",  # torch's matrix products and vector functions; under AVX2, AMD and Intel differ
    "ATEN_CPU_CAPABILITY": "avx2",  # torch's own kernels
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "ONEDNN_DEFAULT_FPMATH_MODE": "STRICT",
    "ARROW_USER_SIMD_LEVEL": "AVX2",
    "NUMBA_DISABLE_INTEL_SVML": "1",  # used wherever a libsvml is found
}
"""Environment variables of portable arithmetic. They override what is set already."""
CONTRADICTING = ("NPY_ENABLE_CPU_FEATURES",)
"""Variables that a library refuses together with a switch."""


def choose_arithmetic(environment: MutableMapping[str, str] = os.environ) -> str:
    """Set the variables of the arithmetic in force and return its name.

    Parameters
    ----------
    environment : mutable mapping
        Environment variables, changed in place.

    Returns
    -------
    str
        `portable`; `fastest` if that is chosen: libraries are left to themselves; `unportable` if portable arithmetic
        is chosen and the processor has none: libraries are left to themselves as well.

    Raises
    ------
    ValueError
        If another arithmetic is chosen.
    """
    choice = chosen_arithmetic(environment)
    environment[VARIABLE] = choice  # for processes that start in another folder
    arithmetic = arithmetic_of(choice)
    if arithmetic == PORTABLE:
        for name in CONTRADICTING:
            environment.pop(name, None)
        environment.update(SWITCHES)
    return arithmetic


def chosen_arithmetic(environment: Mapping[str, str] = os.environ) -> str:
    """Return the arithmetic that the environment chooses, or else the project; ValueError for an unknown one."""
    source = f"environment variable {VARIABLE}" if VARIABLE in environment else str(PARAMS_FILE)
    choice = environment[VARIABLE] if VARIABLE in environment else project_arithmetic()
    if choice not in CHOICES:
        raise ValueError(f"{source}: arithmetic is {choice!r}; valid are {', '.join(CHOICES)}")
    return choice


def project_arithmetic() -> str:
    """Return what the params in this folder choose; portable arithmetic where there are none, or they do not say.

    They are searched for one line, since reading YAML would take longer than all the rest of the choice.
    """
    try:
        text = PARAMS_FILE.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return PORTABLE
    found = re.search(r"^arithmetic:[ \t]*([^#\n]*)", text, flags=re.MULTILINE)
    return found.group(1).strip(" \t\r\"'") if found else PORTABLE


def arithmetic_of(choice: str) -> str:
    """Return the arithmetic in force where one is chosen."""
    return UNPORTABLE if choice == PORTABLE and missing_instructions() else choice


def missing_instructions() -> list[str]:
    """Return what portable arithmetic needs and this processor lacks; all of it where the system does not say."""
    flags = frozenset(_cpu_flags())
    return [flag for flag in NEEDED_FLAGS if flag not in flags]


def _cpu_flags() -> Iterable[str]:
    """Return the flags of the first processor; an ARM processor has a line of another name."""
    if os.uname().machine == "x86_64" and CPU_INFO.is_file():
        with CPU_INFO.open(encoding="utf-8", errors="replace") as lines:  # not read whole: one block per core
            for line in lines:
                if line.startswith("flags"):
                    return line.partition(":")[2].split()
    return ()
