"""What differs between two `dvc.lock` files: results, and what they were made from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from iquitos_citylearn.tools.import_graph import is_module

ABSENT = "none"

Lock = Mapping[str, Any]


@dataclass(frozen=True)
class Difference:
    """Names of all that is not the same in two runs; `n_outs` counts the results of the later one."""

    n_outs: int
    outs: tuple[str, ...]
    params: tuple[str, ...]
    code: tuple[str, ...]
    data: tuple[str, ...]
    commands: tuple[str, ...]


def difference(before: Lock, now: Lock, but: str) -> Difference:
    """Return how a run differs from an earlier one.

    Parameters
    ----------
    before, now : mapping
        Contents of `dvc.lock`.
    but : str
        A result that is about the machine, not about the site; it is left out.
    """
    outs = [{path: digest for path, digest in _paths(lock, "outs").items() if path != but} for lock in (before, now)]
    made = outs[0].keys() | outs[1].keys()
    deps = [
        {path: digest for path, digest in _paths(lock, "deps").items() if path not in made} for lock in (before, now)
    ]
    changed = _changed(*deps)
    params = [_params(lock) for lock in (before, now)]
    commands = [{name: stage["cmd"] for name, stage in lock["stages"].items()} for lock in (before, now)]
    return Difference(
        n_outs=len(outs[1]),
        outs=_changed(*outs),
        params=with_values(*params),
        code=tuple(path for path in changed if is_module(path)),
        data=tuple(path for path in changed if not is_module(path)),
        commands=_changed(*commands),
    )


def _changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what only one of two has, or both with another value; in the order of the later one."""
    names = dict.fromkeys([*now, *before])
    return tuple(name for name in names if before.get(name, ABSENT) != now.get(name, ABSENT))


def with_values(before: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the same as texts, each with its old and its new value."""
    changed = _changed(before, now)
    return tuple(f"{name} {before.get(name, ABSENT)} -> {now.get(name, ABSENT)}" for name in changed)


def _paths(lock: Lock, kind: str) -> dict[str, str]:
    return {item["path"]: item["md5"] for stage in lock["stages"].values() for item in stage.get(kind, ())}


def _params(lock: Lock) -> dict[str, Any]:
    """Return the params that any stage used, by dotted path."""
    used = [stage.get("params", {}).get("params.yaml", {}) for stage in lock["stages"].values()]
    return {path: value for params in used for path, value in leaves(params).items()}


def leaves(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of nested mappings by dotted path."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        inner = {f"{name}.{path}": leaf for path, leaf in leaves(value).items()} if isinstance(value, dict) else None
        found |= {name: value} if inner is None else inner
    return found
