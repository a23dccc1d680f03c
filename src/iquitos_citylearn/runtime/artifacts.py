"""Files that are either whole or not there: atomic writes, strict JSON, read back and verified."""

import contextlib
import hashlib
import json
import math
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:  # who writes no table need not wait for them
    import pandas as pd
    import pyarrow as pa


class ArtifactError(RuntimeError):
    """A file could not be written, or does not hold what was written."""


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically: temporary file beside it, fsync, rename, fsync of the folder, read back.

    Raises
    ------
    ArtifactError
        If the file can't be written or reads back differently; an earlier version of it stays.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        if sha256(temporary) != hashlib.sha256(content).hexdigest():
            raise ArtifactError(f"{path}: what was written does not read back; nothing was replaced")
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write strict JSON: NumPy types as native ones, NaN and infinities as text (`"NaN"`, `"Infinity"`).

    Raises
    ------
    ArtifactError
        If the file can't be written, or is not the JSON that was written.
    TypeError
        If `content` holds something that JSON has no form for.
    """
    plain = as_json(content)
    text = json.dumps(plain, indent=2, allow_nan=False, ensure_ascii=True) + "\n"
    write_bytes(path, text.encode("ascii"))
    if read_json(path) != plain:
        raise ArtifactError(f"{path}: what was written does not read back")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises
    ------
    ArtifactError
        If the file is missing, empty or not a JSON object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ArtifactError(f"{path}: is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise ArtifactError(f"{path}: holds a {type(content).__name__}, not an object")
    return content


def write_csv(path: Path, table: "pd.DataFrame | pa.Table") -> None:
    """Write a table as CSV whose numbers round-trip exactly; one of Arrow, much faster, has numbers only.

    Raises
    ------
    ArtifactError
        If the file can't be written or has another number of rows than the table.
    """
    content = _csv_of_pandas(table) if hasattr(table, "to_csv") else _csv_of_arrow(table)
    n_rows = content.count(b"\n") - 1
    if n_rows != len(table):
        raise ArtifactError(f"{path}: {n_rows} rows for a table of {len(table)}; nothing was written")
    write_bytes(path, content)


def _csv_of_pandas(table: "pd.DataFrame") -> bytes:
    return table.to_csv(index=False, lineterminator="\n").encode("utf-8")


def _csv_of_arrow(table: "pa.Table") -> bytes:
    from pyarrow import BufferOutputStream, csv  # noqa: PLC0415 - as above

    sink = BufferOutputStream()
    csv.write_csv(table, sink, csv.WriteOptions(quoting_style="none"))
    content: bytes = sink.getvalue().to_pybytes()
    return content


def write_through(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` make a file under a temporary name with the same suffix, then move it to `path` atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{os.getpid()}.tmp.{path.name}")
    try:
        write(temporary)
        write_bytes(path, temporary.read_bytes())
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def scratch_folder(folder: Path) -> Iterator[Path]:
    """Make an empty folder and remove it after the block; what a killed process has left there is removed first."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def as_json(value: Any) -> Any:
    """Return `value` in JSON's own types; raise TypeError for what has no form there."""
    if isinstance(value, Mapping):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return as_json(value.tolist())
    if isinstance(value, np.generic):
        return as_json(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [as_json(item) for item in value]
    raise TypeError(f"a {type(value).__name__} has no form in JSON: {value!r}")


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
