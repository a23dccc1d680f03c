"""Class paths in params (`stable_baselines3.SAC`), checked without running the module they name.

The modules of learning algorithms take seconds to import, and every command reads the params.
"""

import ast
from collections.abc import Iterator
from functools import cache
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path

EVERYTHING = "*"
"""What `from module import *` imports."""


def check_class_path(path: str) -> str:
    """Return a class path whose module is installed and defines or imports a class of that name.

    Raises
    ------
    ValueError
        With what there is instead.
    """
    module, _, name = path.rpartition(".")
    if not module or not all(part.isidentifier() for part in path.split(".")):
        raise ValueError("a package, a dot and a class are needed, as in stable_baselines3.SAC")
    names = _class_names(module)
    if name not in names and EVERYTHING not in names:
        there_is = ", ".join(sorted(each for each in names if each[0].isupper()))
        raise ValueError(f"{module} has {there_is or 'no class'}")
    return path


@cache
def _class_names(module: str) -> frozenset[str]:
    spec = _find(module)
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        raise ValueError(f"no module {module} is installed")
    try:
        tree = ast.parse(Path(spec.origin).read_bytes())
    except SyntaxError as error:
        raise ValueError(f"{spec.origin} is not Python: {error}") from error
    return frozenset(name for node in _executed_at_import(tree) for name in _bound_by(node))


def _find(module: str) -> ModuleSpec | None:
    """Find a module by the files of its packages; `find_spec` alone would import these."""
    package, *inner = module.split(".")
    spec = find_spec(package)
    for part in inner:
        if spec is None or spec.submodule_search_locations is None:
            return None
        spec = PathFinder.find_spec(f"{spec.name}.{part}", spec.submodule_search_locations)
    return spec


def _executed_at_import(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _executed_at_import(child)


def _bound_by(node: ast.AST) -> list[str]:
    """Return the names that a statement may bind to a class: definitions, imports, assignments."""
    if isinstance(node, ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [alias.asname or alias.name for alias in node.names]
    if isinstance(node, ast.Assign):
        return [target.id for target in node.targets if isinstance(target, ast.Name)]
    return []
