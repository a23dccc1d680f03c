"""Modules and pinned versions that a stage of dvc.yaml uses, read from the imports in the sources.

Imports inside functions count. `policies/making.py` imports the makers that the register names (`"module:function"`),
so they count where it is used. The package's `__init__.py` files hold a docstring alone (a test says so), so no stage
depends on them; nor on the command line, which only hands over.
"""

import ast
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

PACKAGE = "iquitos_citylearn"
SOURCES = Path("src", PACKAGE)
VERSIONS = SOURCES / "runtime" / "versions.py"
"""Module whose output is the versions themselves."""
ALGORITHMS = SOURCES / "agents" / "algorithms.py"
"""Module that imports what params.yaml names."""
REGISTER, MAKING = SOURCES / "policies" / "register.py", SOURCES / "policies" / "making.py"
"""Modules that name the makers of policies, and that import them."""
NUMERICS = "requirements/numerics.yaml"
ROOT = Path(__file__).resolve().parents[3]

PINS = {
    "citylearn": {"citylearn", "gymnasium", "numpy", "pandas", "pyarrow"},
    "gymnasium": {"gymnasium", "numpy"},
    "highspy": {"highspy", "numpy"},
    "numba": {"llvmlite", "numba", "numpy"},
    "numpy": {"numpy"},
    "pandas": {"numpy", "pandas", "pyarrow"},
    "pvlib": {"numpy", "pandas", "pvlib", "pyarrow", "scipy"},
    "pyarrow": {"pyarrow"},
    "sb3_contrib": {"gymnasium", "numpy", "sb3-contrib", "stable-baselines3", "torch"},
    "scipy": {"numpy", "scipy"},
    "stable_baselines3": {"gymnasium", "numpy", "stable-baselines3", "torch"},
    "torch": {"torch"},
}
"""Pins of numerics.yaml that decide the results of an import: its own, and those of the packages it computes with."""

MAKER = re.compile(rf"{PACKAGE}(\.\w+)+:\w+")


@cache
def imported_names(module: Path) -> frozenset[str]:
    """Return every dotted name that a file imports; of `from a import b` both a and a.b."""
    names: set[str] = set()
    for node in ast.walk(_parsed(module)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {str(node.module)} | {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(names)


def modules_imported_by(module: Path) -> set[Path]:
    """Return the package's modules that a file imports by itself."""
    return _modules(imported_names(module))


def makers() -> set[Path]:
    """Return the modules of the makers that the register names."""
    texts = (node.value for node in ast.walk(_parsed(REGISTER)) if isinstance(node, ast.Constant))
    return _modules({text.partition(":")[0] for text in texts if isinstance(text, str) and MAKER.fullmatch(text)})


def modules_used_by(entry: Path) -> set[Path]:
    """Return a file and all the package's modules that it imports, directly or through others."""
    found: set[Path] = set()
    waiting = {entry}
    while waiting:
        module = waiting.pop()
        found.add(module)
        waiting |= (modules_imported_by(module) | (makers() if module == MAKING else set())) - found
    return found


def packages_imported_by(module: Path) -> set[str]:
    """Return the top-level names of all that a file imports."""
    return {name.split(".")[0] for name in imported_names(module)}


def pins_used_by(entry: Path, named: Iterable[str] = ()) -> set[str]:
    """Return the pins of numerics.yaml that a file uses, directly or through others; all if it writes them down.

    Parameters
    ----------
    entry : Path
        The file.
    named : iterable of str
        Packages that are not imported by name: those of the algorithms in params.yaml.
    """
    modules = modules_used_by(entry)
    if VERSIONS in modules:
        return set().union(*PINS.values())
    packages = {package for module in modules for package in packages_imported_by(module)} | set(named)
    return {pin for package in packages & set(PINS) for pin in PINS[package]}


def is_module(dependency: str) -> bool:
    """Tell whether a dependency of a stage is one of the package's modules."""
    return dependency.startswith(f"{SOURCES.as_posix()}/")


def _modules(names: set[str] | frozenset[str]) -> set[Path]:
    inside = [name.split(".")[1:] for name in names if name.split(".")[0] == PACKAGE]
    candidates = {SOURCES.joinpath(*parts).with_suffix(".py") for parts in inside if parts}
    return {candidate for candidate in candidates if (ROOT / candidate).is_file()}


@cache
def _parsed(module: Path) -> ast.Module:
    return ast.parse((ROOT / module).read_text(encoding="utf-8"))
