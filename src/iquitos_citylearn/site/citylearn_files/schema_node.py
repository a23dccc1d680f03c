"""A `schema.json` with typed access: what is missing or of another type gives an error with file and path."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Never

import numpy as np

from iquitos_citylearn.site.citylearn_files.layout import FRACTION, Limits
from iquitos_citylearn.site.citylearn_files.writer import DatasetError
from iquitos_citylearn.site.model import Curve

CURVE_RULE = "a list of [x, y], x rising from 0 to 1, y {}"


@dataclass(frozen=True)
class SchemaNode:
    """One object of the schema.

    Attributes
    ----------
    file : Path
        The schema's file, for errors.
    path : str
        Where the object stands, `buildings.mall.pv`.
    content : dict
        The object.
    """

    file: Path
    path: str
    content: dict[str, Any]

    @property
    def keys(self) -> list[str]:
        """Return the keys in the file's order."""
        return list(self.content)

    def has(self, key: str) -> bool:
        """Return whether a key is there and not null: CityLearn takes null as absent."""
        return self.content.get(key) is not None

    def child(self, *keys: str) -> "SchemaNode":
        """Return an object below this one."""
        node = self
        for key in keys:
            value = node._get(key, "an object")
            if not isinstance(value, dict):
                raise node.error(key, "an object")
            node = SchemaNode(node.file, node._where(key), value)
        return node

    def children(self, *keys: str) -> list["SchemaNode"]:
        """Return the objects below this one, or those of `keys` that are there."""
        return [self.child(key) for key in (keys or self.keys) if not keys or self.has(key)]

    def number(self, key: str, limits: Limits) -> float:
        """Return a number within limits."""
        value = self._get(key, str(limits))
        if isinstance(value, bool) or not isinstance(value, int | float) or limits.refuse(np.array(value, np.float64)):
            raise self.error(key, str(limits))
        return float(value)

    def whole_number(self, key: str) -> int:
        """Return a whole number."""
        value = self._get(key, "a whole number")
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.error(key, "a whole number")
        return value

    def text(self, key: str) -> str:
        """Return a text."""
        value = self._get(key, "a text")
        if not isinstance(value, str) or not value:
            raise self.error(key, "a text")
        return value

    def texts(self, key: str) -> list[str]:
        """Return a list of texts."""
        value = self._get(key, "a list of texts")
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.error(key, "a list of texts")
        return value

    def flag(self, key: str, *, absent: bool) -> bool:
        """Return true or false; `absent` where the key is not there, as CityLearn has it."""
        value = self.content.get(key, absent)
        if not isinstance(value, bool):
            raise self.error(key, "true or false")
        return value

    def require(self, key: str, value: int) -> None:
        """Raise DatasetError unless the key has this very value."""
        found = self._get(key, repr(value))
        if isinstance(found, bool) != isinstance(value, bool) or found != value:
            raise self.error(key, json.dumps(value))

    def curve(self, key: str, limits: Limits) -> Curve:
        """Return a curve as (x values, y values)."""
        points = self._get(key, CURVE_RULE.format(limits))
        try:
            array = np.array(points, dtype=np.float64)
        except (TypeError, ValueError):
            raise self.error(key, CURVE_RULE.format(limits)) from None
        if array.ndim != 2 or array.shape[0] < 2 or array.shape[1] != 2:
            raise self.error(key, CURVE_RULE.format(limits))
        x, y = array.T
        rising = (np.diff(x) > 0).all() and x[0] == 0 and x[-1] == 1
        if not rising or FRACTION.refuse(x).any() or limits.refuse(y).any():
            raise self.error(key, CURVE_RULE.format(limits))
        return tuple(x.tolist()), tuple(y.tolist())

    def error(self, key: str, allowed: str) -> DatasetError:
        """Return the error for one key."""
        value = json.dumps(self.content[key], default=str) if key in self.content else "missing"
        shown = value if len(value) <= 80 else value[:80] + " ..."
        return DatasetError(f"{self.file}: {self._where(key)} is {shown}; allowed: {allowed}")

    def _where(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key

    def _get(self, key: str, allowed: str) -> Any:
        if not self.has(key):
            raise self.error(key, allowed)
        return self.content[key]


def load_schema(file: Path) -> SchemaNode:
    """Read a schema; raise DatasetError where it is missing or no JSON object."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"), parse_constant=_no_constant)
    except OSError as error:
        raise DatasetError(f"{file}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{file}: is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise DatasetError(f"{file}: holds a {type(content).__name__}, not an object")
    return SchemaNode(file, "", content)


def _no_constant(name: str) -> Never:
    raise ValueError(f"{name} is no number of JSON")
