"""Small params from the default ones: a file of the keys that differ, laid over `params.yaml`."""

import sys
from pathlib import Path
from typing import Any

import yaml

from iquitos_citylearn.params import Params, ParamsError, read_yaml, validate_params
from iquitos_citylearn.runtime.artifacts import write_bytes

AGENTS = ("train",)
"""Keys that lead to the agents: there, and only there, an overlay may add one."""


def write_overlaid(base: Path, overlay: Path, target: Path) -> None:
    """Write the params of `base` with those of `overlay` in their place, and validate the result.

    Mappings are merged key by key; everything else, lists included, is replaced. Null takes the place of a mapping as
    well: it switches off what `params.py` lets be null. Only an agent may be added, with all its keys.

    Raises
    ------
    ParamsError
        If a file can't be read, the overlay has a key that the base has not, or the result is not valid; nothing is
        written then.
    """
    merged = _merge(read_yaml(base), read_yaml(overlay), str(overlay))
    validate_params(merged, source=f"{base} with {overlay}")
    write_bytes(target, yaml.safe_dump(merged, sort_keys=False).encode("utf-8"))


def load_overlaid(base: Path, overlay: Path) -> Params:
    """Return the params that `write_overlaid` would write; the same errors."""
    return validate_params(_merge(read_yaml(base), read_yaml(overlay), str(overlay)), source=f"{base} with {overlay}")


def _merge(base: Any, overlay: Any, source: str, keys: tuple[str, ...] = ()) -> Any:
    if overlay is None or not isinstance(base, dict):
        return overlay
    where = ": ".join((source, *keys))
    if not isinstance(overlay, dict):
        raise ParamsError(f"{where}: is {overlay!r}, where params.yaml has the keys {sorted(base)}")
    added = {key: value for key, value in overlay.items() if key not in base}
    unknown = sorted(key for key, value in added.items() if keys != AGENTS or not isinstance(value, dict))
    if unknown:
        raise ParamsError(f"{where}: has {unknown}, where params.yaml has {sorted(base)}")
    merged = {
        key: _merge(value, overlay[key], source, (*keys, key)) if key in overlay else value
        for key, value in base.items()
    }
    return merged | added


if __name__ == "__main__":
    write_overlaid(*(Path(argument) for argument in sys.argv[1:4]))
