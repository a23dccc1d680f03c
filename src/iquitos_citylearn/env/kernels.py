"""Compilation of the kernels, cached on disk for one state of their sources.

Numba checks a cached kernel against its own source file, not against the files of the kernels that it calls. After a
change of the reward, the compiled step would still run the old one. So every state of the sources has its own cache.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba

Function = TypeVar("Function", bound=Callable[..., Any])

SOURCES = Path(__file__).parent


def sources_digest(folder: Path) -> str:
    """Return a digest of the paths and contents of the Python files in a folder and its subfolders."""
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*.py")):
        content = file.read_bytes()
        digest.update(f"{file.relative_to(folder).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()[:16]


chosen_folder = numba.config.CACHE_DIR  # type: ignore[attr-defined]  # of NUMBA_CACHE_DIR, or empty
cache_folder = Path(chosen_folder or SOURCES / "__pycache__") / f"kernels_{sources_digest(SOURCES)}"
numba.config.CACHE_DIR = str(cache_folder)  # type: ignore[attr-defined]


def kernel(**options: Any) -> Callable[[Function], Function]:
    """Return the decorator of a kernel: compiled without Python objects, cached on disk.

    Division by zero gives inf. Kernels are merged into those that call them, and are compiled without Numba's counting
    of references to arrays: each of the two would cost about as much as all the rest of a step. A kernel that allocates
    needs the counting (`_nrt=True`); Numba refuses to compile it without. The option is not in Numba's documentation,
    one more reason to pin its version.

    Parameters
    ----------
    **options
        Of `numba.njit`.
    """
    chosen: dict[str, Any] = {
        "cache": True,
        "error_model": "numpy",
        "forceinline": True,
        "_nrt": False,
        "no_cfunc_wrapper": True,
    } | options
    decorator: Callable[[Function], Function] = numba.njit(**chosen)
    return decorator


inner_kernel = kernel(no_cpython_wrapper=True)
"""Decorator of kernels that only other kernels call. They need no entry from Python, whose compilation takes longer."""
