"""The stages of dvc.yaml, and whether dvc.lock holds a run of them with the present params, modules and results.

Only small files are read: data sets and models are compared by what dvc.lock says of them, not by their content.
"""

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

PIPELINE_FILE, LOCK_FILE = Path("dvc.yaml"), Path("dvc.lock")


@dataclass(frozen=True)
class Stage:
    """A stage of dvc.yaml.

    Attributes
    ----------
    name : str
        With the item of its `foreach` behind @.
    command : str
        Command that DVC runs.
    dependencies, outputs : tuple of str
        Paths; outputs with metrics.
    """

    name: str
    command: str
    dependencies: tuple[str, ...]
    outputs: tuple[str, ...]


def read_pipeline(file: Path = PIPELINE_FILE) -> list[Stage]:
    """Return the stages in the order in which DVC runs them: depth first, each after what it needs.

    Raises
    ------
    ValueError
        If the file is missing or no pipeline.
    """
    try:
        content = _load(file)
        stages = [stage for name, body in content["stages"].items() for stage in _stages_of(name, body)]
    except OSError as error:
        raise ValueError(f"{file}: cannot be read: {error.strerror}; is this the project's folder?") from error
    except (yaml.YAMLError, UnicodeDecodeError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{file}: is no pipeline of DVC: {error!r}") from error
    ordered: dict[str, Stage] = {}

    def visit(stage: Stage) -> None:
        for maker in makers_of(stage, stages):
            visit(maker)
        ordered.setdefault(stage.name, stage)

    for stage in stages:
        visit(stage)
    return list(ordered.values())


def makers_of(stage: Stage, stages: Sequence[Stage]) -> list[Stage]:
    """Return the stages that make what a stage depends on."""
    needed = {str(path) for name in stage.dependencies for path in (PurePosixPath(name), *PurePosixPath(name).parents)}
    return [maker for maker in stages if needed & set(maker.outputs)]


def _stages_of(name: str, body: Mapping[str, Any]) -> Iterator[Stage]:
    if "foreach" not in body:
        outputs = (path for kind in ("outs", "metrics", "plots") for path in map(_path_of, body.get(kind, ())))
        yield Stage(name, body["cmd"], tuple(body.get("deps", ())), tuple(outputs))
        return
    items = body["foreach"]
    for key, item in items.items() if isinstance(items, Mapping) else zip(items, items, strict=True):
        text = json.dumps(body["do"]).replace("${key}", str(key)).replace("${item}", str(item))
        yield from _stages_of(f"{name}@{key}", json.loads(text))


def _path_of(output: str | Mapping[str, Any]) -> str:
    return output if isinstance(output, str) else next(iter(output))


class Record:
    """Content of dvc.lock.

    Parameters
    ----------
    file : Path
        The lock. Where it is missing or being written, nothing counts as recorded.
    """

    def __init__(self, file: Path = LOCK_FILE) -> None:
        self.written_at = 0.0
        self._stages: dict[str, Any] = {}
        with contextlib.suppress(OSError, yaml.YAMLError):
            self.written_at = file.stat().st_mtime
            self._stages = (_load(file) or {}).get("stages", {})
        self._made = {out["path"]: out["md5"] for entry in self._stages.values() for out in entry.get("outs", ())}

    def holds(self, stage: Stage) -> bool:
        """Return whether a run of the stage is recorded with its present command, params and dependencies."""
        entry = self._stages.get(stage.name)
        if entry is None or entry["cmd"] != stage.command:
            return False
        recorded = {dependency["path"]: dependency["md5"] for dependency in entry.get("deps", ())}
        return (
            set(recorded) == set(stage.dependencies)
            and all(self._is_current(path, md5) for path, md5 in recorded.items())
            and all(_params_are(Path(file), values) for file, values in entry.get("params", {}).items())
        )

    def _is_current(self, path: str, md5: str) -> bool:
        if path in self._made:
            return bool(self._made[path] == md5)
        if md5.endswith(".dir"):
            return Path(path).is_dir()
        return Path(path).is_file() and hashlib.md5(Path(path).read_bytes()).hexdigest() == md5


def _load(file: Path) -> Any:
    return yaml.load(file.read_text(encoding="utf-8"), yaml.CSafeLoader)


def _params_are(file: Path, recorded: Mapping[str, Any]) -> bool:
    try:
        content = _load(file)
    except (OSError, yaml.YAMLError, UnicodeDecodeError):
        return False
    return all(_as_text(_at(content, name)) == _as_text(value) for name, value in recorded.items())


def _at(node: Any, name: str) -> Any:
    for part in name.split("."):
        node = node.get(part) if isinstance(node, Mapping) else None
    return node


def _as_text(node: Any) -> Any:
    """Return a value with its leaves as text: YAML 1.2, which DVC writes, has numbers that PyYAML reads as text."""
    if isinstance(node, Mapping):
        return {key: _as_text(value) for key, value in node.items()}
    return [_as_text(value) for value in node] if isinstance(node, list) else str(node)
