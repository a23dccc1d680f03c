"""The page of `params.yaml`: limits from the models in `params.py`, defaults and meanings from the file itself."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from iquitos_citylearn.params import Params
from iquitos_citylearn.tools.markdown import markdown_table
from iquitos_citylearn.tools.units import unit_of

Schema = Mapping[str, Any]
SECTION_DEPTH = 2
"""Keys in a name that makes a section; what lies deeper is a row of it."""
TYPES = {"number": "number", "integer": "whole number", "string": "text", "boolean": "true or false", "object": "keys"}
TAGS = {"int": "integer", "float": "number", "str": "string", "bool": "boolean", "map": "object", "seq": "array"}
HEADER = ("key", "type", "unit", "allowed", "default", "meaning")
INTRODUCTION = """# Parameters

Every key of `params.yaml`. Types and limits are those of the models in `src/iquitos_citylearn/params.py`; default and \
meaning are those of `params.yaml`; some meanings cover the rows below them as well. `[S]` stated for the site, \
`[M]` measured on its data, `[I]` our inference. Rules between keys are checked when the file is read; every problem \
is reported at once.

Written by `make pages`."""


@dataclass(frozen=True)
class Entry:
    """A key of params.yaml.

    Attributes
    ----------
    path : tuple of str
        The keys that lead to it.
    schema : mapping
        JSON schema of its value, references resolved; empty where anything is allowed.
    may_be_null : bool
        Whether null is allowed.
    node : yaml.Node
        Its value.
    comment : str
        The comment above it.
    """

    path: tuple[str, ...]
    schema: Schema
    may_be_null: bool
    node: yaml.Node
    comment: str

    @property
    def is_section(self) -> bool:
        """Tell whether it has a table of its own."""
        return isinstance(self.node, yaml.MappingNode) and len(self.path) <= SECTION_DEPTH


def params_page(text: str) -> str:
    """Return the page as Markdown.

    Parameters
    ----------
    text : str
        The content of params.yaml.

    Raises
    ------
    KeyError
        If it has a key that the models have not.
    """
    root = Params.model_json_schema()
    heads: dict[tuple[str, ...], str] = {}
    rows: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
    for entry in _entries(_compose(text), root, (), root["$defs"], text.splitlines()):
        if entry.is_section:
            heads[entry.path], rows[entry.path] = _section_head(entry), []
        elif entry.comment or not entry.schema.get("properties") or entry.may_be_null:
            section = max((path for path in heads if entry.path[: len(path)] == path), key=len)
            rows[section].append(_row(entry, len(section)))
    parts = [INTRODUCTION]
    for section, head in heads.items():
        parts += [head, markdown_table(HEADER, rows[section])] if rows[section] else [head]
    return "\n\n".join(parts) + "\n"


def _compose(text: str) -> yaml.MappingNode:
    node = yaml.compose(text, yaml.SafeLoader)
    if not isinstance(node, yaml.MappingNode):
        raise TypeError("params.yaml holds no keys")
    return node


def _entries(
    node: yaml.MappingNode, schema: Schema, path: tuple[str, ...], models: Schema, lines: Sequence[str]
) -> Iterator[Entry]:
    for key, value in node.value:
        inner, may_be_null = _resolved(_schema_of(schema, key.value), models)
        entry = Entry((*path, key.value), inner, may_be_null, value, _comment_above(lines, key.start_mark.line))
        yield entry
        if isinstance(value, yaml.MappingNode):
            yield from _entries(value, inner, entry.path, models, lines)


def _schema_of(schema: Schema, key: str) -> Schema:
    """Return the schema of a key: its own where the model names it, else that of any other value."""
    named: Mapping[str, Schema] = schema.get("properties", {})
    if key in named or schema.get("additionalProperties") is False:
        return named[key]
    values = schema.get("additionalProperties", True)
    return values if isinstance(values, Mapping) else {}


def _resolved(schema: Schema, models: Schema) -> tuple[Schema, bool]:
    """Return a schema without references and without null, and whether it had null."""
    choices = schema.get("anyOf", [schema])
    others = [choice for choice in choices if choice.get("type") != "null"]
    inner: Schema = others[0] if len(others) == 1 else {"anyOf": others}
    if "$ref" in inner:
        inner = models[inner["$ref"].rpartition("/")[2]]
    return inner, len(others) < len(choices)


def _comment_above(lines: Sequence[str], index: int) -> str:
    """Return the comment lines that end right above a line; none for a key that is not the first of its line."""
    found: list[str] = []
    while index > 0 and lines[index - 1].lstrip().startswith("#"):
        index -= 1
        found.insert(0, lines[index].strip().lstrip("# "))
    return " ".join(found)


def _section_head(entry: Entry) -> str:
    about = entry.schema.get("description", "").partition("\n")[0]
    words = [entry.comment] if entry.comment.startswith(about.rstrip(".")) else [about, entry.comment]
    return f"{'#' * (len(entry.path) + 1)} {'.'.join(entry.path)}\n\n" + " ".join(word for word in words if word)


def _row(entry: Entry, depth: int) -> tuple[str, ...]:
    key = ".".join(entry.path[depth:])
    kind, allowed = _type(entry.schema, entry.node), _allowed(entry.schema)
    if entry.may_be_null:
        kind += " or null"
    default = "" if isinstance(entry.node, yaml.MappingNode) else f"`{_as_written(entry.node)}`"
    return f"`{key}`", kind, unit_of(key) or "-", allowed or "-", default, entry.comment


def _type(schema: Schema, node: yaml.Node) -> str:
    """Return the type that the model names, or that of the value where the model takes anything."""
    if "anyOf" in schema:
        return " or ".join(_type(choice, node) for choice in schema["anyOf"])
    name = schema.get("type") or TAGS[str(node.tag).rpartition(":")[2]]
    if name == "array":
        items = _item(schema).get("type")
        return f"list of {TYPES[items]}s" if items else "list"
    return TYPES[name]


def _allowed(schema: Schema) -> str:
    if "anyOf" in schema:
        return " or ".join(filter(None, map(_allowed, schema["anyOf"])))
    if named := schema.get("enum") or [schema[key] for key in ("const", "pattern") if key in schema]:
        return " or ".join(f"`{value}`" for value in named)
    if schema.get("type") == "array":
        parts = (_count(schema), _bounds(_item(schema)))
        return ", each ".join(part for part in parts if part)
    if schema.get("type") == "object" and "minProperties" in schema:
        return f"{schema['minProperties']} or more"
    return _bounds(schema)


def _item(schema: Schema) -> Schema:
    found: Schema = schema.get("items") or next(iter(schema.get("prefixItems", [])), {})
    return found


def _count(schema: Schema) -> str:
    low, high = schema.get("minItems"), schema.get("maxItems")
    if low is not None and low == high:
        return f"{low} values"
    if high is not None:
        return f"{low or 0} to {high} values"
    return f"{low} or more values" if low is not None else ""


def _bounds(schema: Schema) -> str:
    signs = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    bounds = {name: f"{schema[name]}" for name in signs if name in schema}
    if set(bounds) == {"minimum", "maximum"}:
        return f"{bounds['minimum']} to {bounds['maximum']}"
    return ", ".join(f"{signs[name]} {value}" for name, value in bounds.items())


def _as_written(node: yaml.Node) -> str:
    if isinstance(node, yaml.SequenceNode):
        return f"[{', '.join(_as_written(item) for item in node.value)}]"
    return str(node.value)
