"""Paths, params keys and commands that prose names, and what of them is not there."""

import ast
import importlib
import io
import json
import re
import tokenize
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import NamedTuple

import typer
import yaml

from iquitos_citylearn.cli import app
from iquitos_citylearn.tools.pipeline_file import stages
from tests.defaults import PARAMS, ROOT

PACKAGE = ROOT / "src" / "iquitos_citylearn"
SECTIONS = ("site", "environment", "reward", "evaluation", "train")
"""The top level of params.yaml."""

NOT_IN_GIT = (".dvc/tmp", "data/raw/*.csv", "metrics/peak_days.json")
"""What DVC keeps for itself, what users add, and the output of the example in docs/extending.md."""

SPAN = re.compile(r"`([^`\n]+)`")
FENCE = re.compile(r"^```.*?^```", flags=re.DOTALL | re.MULTILINE)
PLACE = re.compile(r"(?<![\w./@:$~{-])((?:[\w.-]+/)+(?:[\w.<>*-]*[\w>*])?)(?![\w{$])")
FILE = re.compile(r"(?<![\w./*<-])([\w<>*-]+\.(?:py|md))(?![\w/])")
SUFFIX = re.compile(r".*\.(py|md|yaml|json|csv|toml|lock|txt|zip|in|sh)")
KEY = re.compile(r"(?<![\w./-])([a-z_]+(?:\.(?:\w+|<\w+>))+)(?![\w(/]|\.\w)")
TARGET = re.compile(r"(?<![\w-])make ([a-z][a-z-]*)")
COMMAND = re.compile(r"(?<![\w./-])iquitos ([a-z][a-z-]*)")
LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")


class Text(NamedTuple):
    """A piece of prose: where it is, and whether it is Markdown."""

    file: Path
    line: int
    words: str

    @property
    def spans(self) -> str:
        """What stands in backticks, a line each."""
        return "\n".join(SPAN.findall(FENCE.sub("", self.words)))

    @property
    def code(self) -> str:
        """What stands in backticks or in a block of code."""
        return "\n".join([self.spans, *FENCE.findall(self.words)])

    @property
    def where(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line}"


def texts_of_python(file: Path, source: str) -> Iterator[Text]:
    """Yield the docstrings of a module, its classes, functions and constants, and its comments, block by block."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield Text(file, node.lineno, node.value.value)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield Text(file, token.start[0], token.string)


def texts_of(file: Path) -> list[Text]:
    """Return the prose of a file: Markdown as a whole, comments of YAML, docstrings and comments of Python."""
    content = file.read_text(encoding="utf-8")
    if file.suffix == ".py":
        return list(texts_of_python(file, content))
    if file.suffix == ".yaml":
        found = re.finditer(r"#.*", content)
        return [Text(file, content.count("\n", 0, match.start()) + 1, match.group()) for match in found]
    return [Text(file, 1, content)]


def messages_of(file: Path) -> list[Text]:
    """Return the strings of a module that can tell a reader what to run: those with backticks."""
    nodes = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
    strings = (node for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str))
    return [Text(file, node.lineno, node.value) for node in strings if "`" in node.value]


@cache
def outputs() -> tuple[str, ...]:
    """Return what stages write, and what git ignores, as patterns."""
    pipeline = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
    listed = [item for _, stage in stages(pipeline) for kind in ("outs", "metrics") for item in stage.get(kind, [])]
    written = [next(iter(item)) if isinstance(item, dict) else item for item in listed]
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    named = [re.sub(r"\$\{\w+\}", "*", name) for name in [*written, *ignored, *NOT_IN_GIT]]
    return tuple(name.strip("/") for name in named if name and not name.startswith("#"))


def starts() -> set[str]:
    """Return the names that a path in prose can begin with: folders of the repository and of the package."""
    return {path.name for folder in (ROOT, PACKAGE) for path in folder.iterdir() if path.is_dir()} | {
        name.split("/")[0] for name in outputs()
    }


def is_there(name: str) -> bool:
    """Return whether a path, in which `<...>` and `*` can be anything, is in the repository or written by a run."""
    pattern = re.sub(r"<\w+>", "*", name.strip("/").removesuffix("."))
    if any(next(folder.glob(pattern), None) for folder in (ROOT, PACKAGE)):
        return True
    parts = pattern.split("/")
    heads = ["/".join(parts[:n]) for n in range(1, len(parts) + 1)]
    return any(fnmatch(head, output) or fnmatch(output, head) for head in heads for output in outputs())


@cache
def file_names() -> frozenset[str]:
    """Return the names of all sources and documents."""
    folders = ("src", "tests", "bench", "docs", "study", "requirements", "data/raw")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.*")] + list(ROOT.glob("*.*"))
    return frozenset(path.name for path in files)


def absent_paths(text: Text) -> list[str]:
    """Return the paths that a text names and that are nowhere."""
    plain = FENCE.sub("", text.words)
    named = {place for place in PLACE.findall(plain) if SUFFIX.fullmatch(place)} | set(PLACE.findall(text.spans))
    absent = {name for name in named if name.split("/")[0] in starts() and not is_there(name)}
    files = {name for name in FILE.findall(text.spans) if "<" not in name and "*" not in name}
    return sorted(absent | (files - file_names()))


@cache
def params() -> dict:
    return yaml.safe_load(PARAMS.read_text(encoding="utf-8"))


@cache
def results() -> list[dict]:
    """Return the committed results, whose keys documents name too."""
    return [json.loads(file.read_text(encoding="ascii")) for file in sorted((ROOT / "metrics").glob("*.json"))]


def is_key(name: str, tree: dict) -> bool:
    """Return whether a dotted key is in nested objects; `<...>` can be any."""
    nodes: list = [tree]
    for part in name.split("."):
        below = [node for node in nodes if isinstance(node, dict)]
        nodes = [child for node in below for key, child in node.items() if part == str(key) or part.startswith("<")]
        if not nodes:
            return False
    return True


def is_of_the_package(name: str) -> bool:
    """Return whether a dotted name is a module of the package, or something in one."""
    module, _, attribute = f"iquitos_citylearn.{name}".rpartition(".")
    try:
        found = importlib.import_module(module)
    except ImportError:
        return is_of_the_package_member(module, attribute)
    return hasattr(found, attribute) or (PACKAGE / f"{name.replace('.', '/')}.py").is_file()


def is_of_the_package_member(holder: str, attribute: str) -> bool:
    """Return whether `holder` is a class of the package with an attribute or field of that name."""
    module, _, name = holder.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name, None)
    except ImportError:
        return False
    return hasattr(found, attribute) or attribute in getattr(found, "__annotations__", {})


def absent_keys(text: Text) -> list[str]:
    """Return the params keys that a text names in backticks and that params.yaml has not.

    In Markdown and YAML a key may be named from the second level of `site` on. Names of modules are no keys; those
    of the same room may be named without it.
    """
    room = text.file.parent.name
    short = () if text.file.suffix == ".py" else tuple(params()["site"])
    absent = set()
    for name in KEY.findall(text.spans):
        first, last = name.split(".")[0], name.split(".")[-1]
        if last in {"py", "md", "yaml", "json", "csv", "zip"} or first not in SECTIONS + short:
            continue
        known = any(is_key(name, tree) for tree in (params(), params()["site"], *results()))
        if not known and not any(map(is_of_the_package, (name, f"{room}.{name}"))):
            absent.add(name)
    return sorted(absent)


@cache
def targets() -> frozenset[str]:
    """Return the targets of the Makefile."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    return frozenset(re.findall(r"^([a-z][a-z-]*):", makefile, flags=re.MULTILINE))


@cache
def commands() -> frozenset[str]:
    """Return the commands of the `iquitos` program."""
    return frozenset(typer.main.get_command(app).commands)


def absent_commands(text: Text) -> list[str]:
    """Return what a text tells the reader to run with `make` or `iquitos` and that is not there."""
    return [f"make {name}" for name in TARGET.findall(text.code) if name not in targets()] + [
        f"iquitos {name}" for name in COMMAND.findall(text.code) if name not in commands()
    ]


def anchors(markdown: str) -> set[str]:
    """Return what a link can lead to within a document: its headings, as the usual renderers name them."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", markdown), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(text: Text) -> list[str]:
    """Return the links of a document that lead nowhere within the repository."""
    broken = []
    for link in LINK.findall(FENCE.sub("", text.words)):
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, anchor = link.partition("#")
        target = (text.file.parent / path) if path else text.file
        if not target.exists() or (anchor and anchor not in anchors(target.read_text(encoding="utf-8"))):
            broken.append(link)
    return broken
