"""Which modules and which pinned versions each stage of dvc.yaml really uses; `make deps` writes them there.

The imports are read from the source, those inside functions included. The package's `__init__.py` files hold nothing
but a docstring (a test says so), so they are nobody's dependency; nor is the command line, which only hands over.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "iquitos_citylearn"
SOURCES = Path("src", PACKAGE)
VERSIONS = SOURCES / "runtime" / "versions.py"
"""Module whose output is the versions themselves."""
ALGORITHMS = SOURCES / "agents" / "algorithms.py"
"""Module that imports what params.yaml names."""
NUMERICS = "requirements/numerics.yaml"

# The pins that decide what an import computes: its own, and those of what it computes with.
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


@cache
def imported_names(module: Path) -> frozenset[str]:
    """Return every dotted name that a file imports; of `from a import b` both a and a.b."""
    names = set()
    for node in ast.walk(ast.parse((ROOT / module).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: a relative import"
            names |= {str(node.module)} | {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(names)


def modules_imported_by(module: Path) -> set[Path]:
    """Return the package's modules that a file imports itself."""
    inside = [name.split(".")[1:] for name in imported_names(module) if name.split(".")[0] == PACKAGE]
    candidates = {SOURCES.joinpath(*parts).with_suffix(".py") for parts in inside if parts}
    return {candidate for candidate in candidates if (ROOT / candidate).is_file()}


def modules_used_by(entry: Path) -> set[Path]:
    """Return a file and all the package's modules that it imports, directly or through others."""
    found: set[Path] = set()
    waiting = {entry}
    while waiting:
        module = waiting.pop()
        found.add(module)
        waiting |= modules_imported_by(module) - found
    return found


def packages_imported_by(module: Path) -> set[str]:
    """Return the top-level names of all that a file imports."""
    return {name.split(".")[0] for name in imported_names(module)}


def pins_used_by(entry: Path) -> set[str]:
    """Return the pins of numerics.yaml that a file uses, directly or through others; all if it writes them down."""
    modules = modules_used_by(entry)
    if VERSIONS in modules:
        return set().union(*PINS.values())
    packages = {package for module in modules for package in packages_imported_by(module)}
    return {pin for package in packages & set(PINS) for pin in PINS[package]}


def pins_of(name: str) -> set[str]:
    """Return the pins of numerics.yaml that a stage uses: by imports, and by the algorithms that params.yaml names."""
    entry = entry_of(name)
    pins = pins_used_by(entry)
    if ALGORITHMS in modules_used_by(entry):
        train = YAML(typ="safe").load(ROOT / "params.yaml")["train"]
        agents = {agent: params for agent, params in train.items() if agent != "profile"}
        trained = name.removeprefix("train_")
        chosen = [agents[trained]] if trained in agents else agents.values()
        packages = {params["algorithm"].partition(".")[0] for params in chosen}
        pins |= {pin for package in packages & set(PINS) for pin in PINS[package]}
    return pins


def stages(pipeline: dict) -> Iterator[tuple[str, dict]]:
    """Yield name and definition of every stage; of a `foreach` the template."""
    for name, stage in pipeline["stages"].items():
        yield name, stage.get("do", stage)


def entry_of(name: str) -> Path:
    """Return the module that a stage's command hands over to: one of the stage's name, for all trainings one."""
    return SOURCES / "stages" / f"{'train' if name.startswith('train_') else name}.py"


def is_module(dependency: str) -> bool:
    """Tell whether a dependency of a stage is one of the package's modules."""
    return dependency.startswith(f"{SOURCES.as_posix()}/")


def rewrite(path: Path) -> None:
    """Write into a dvc.yaml the modules and pins that its stages use; all else stays as it stands."""
    yaml = YAML()
    yaml.width = 120
    yaml.indent(mapping=2, sequence=4, offset=2)
    pipeline = yaml.load(path)
    for name, stage in stages(pipeline):
        entry = entry_of(name)
        modules = sorted(module.as_posix() for module in modules_used_by(entry))
        stage["deps"][:] = [dependency for dependency in stage["deps"] if not is_module(dependency)] + modules
        next(item for item in stage["params"] if NUMERICS in item)[NUMERICS] = sorted(pins_of(name))
    yaml.dump(pipeline, path)


if __name__ == "__main__":
    rewrite(ROOT / "dvc.yaml")
