"""The picture of the package's rooms in `docs/architecture.md`, from the imports in the sources."""

import ast
from collections.abc import Mapping
from pathlib import Path

from iquitos_citylearn.tools.import_graph import ROOT, SOURCES, modules_imported_by
from iquitos_citylearn.tools.markdown import markdown_table


def room_of(module: Path) -> str:
    """Return the folder of the package that a module is in; of a module in the package itself its own name."""
    return module.relative_to(SOURCES).parts[0].removesuffix(".py")


def rooms() -> dict[str, set[str]]:
    """Return the rooms that each room imports, itself left out; a room comes after all that it imports."""
    imports: dict[str, set[str]] = {}
    for file in sorted((ROOT / SOURCES).rglob("*.py")):
        module = file.relative_to(ROOT)
        if module.parent == SOURCES and module.name == "__init__.py":
            continue
        used = imports.setdefault(room_of(module), set())
        used |= {room_of(other) for other in modules_imported_by(module)} - {room_of(module)}
    return {name: imports[name] for name in sorted(imports, key=lambda name: (_floor(name, imports), name))}


def picture() -> str:
    """Return the rooms as a Mermaid chart and as a table, in Markdown.

    The chart leaves out an arrow where a longer way leads to the same room; the table has all.
    """
    imports = rooms()
    chart = ["```mermaid", "flowchart BT", *(f"  {name}" for name in imports)]
    chart += [f"  {name} --> {other}" for name in imports for other in _direct(name, imports)]
    rows = ([f"`{name}`", _first_line(name), ", ".join(sorted(used)) or "-"] for name, used in imports.items())
    return "\n".join(chart) + "\n```\n\n" + markdown_table(["room", "what it holds", "imports"], rows) + "\n"


def _floor(name: str, imports: Mapping[str, set[str]]) -> int:
    return 1 + max((_floor(other, imports) for other in imports[name]), default=0)


def _direct(name: str, imports: Mapping[str, set[str]]) -> list[str]:
    """Return the rooms that a room imports, without those that it also reaches through another."""
    further = {below for other in imports[name] for below in _reached(other, imports)}
    return [other for other in imports if other in imports[name] - further]


def _reached(name: str, imports: Mapping[str, set[str]]) -> set[str]:
    return imports[name].union(*(_reached(other, imports) for other in imports[name]))


def _first_line(name: str) -> str:
    folder = ROOT / SOURCES / name
    file = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
    docstring = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return docstring.partition("\n")[0]
