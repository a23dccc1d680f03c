"""The outputs of an evaluation on disk: as much of them as can be written, and never more said than is so.

A result that can't be written whole is written as the fullest form that can: whole, its critical fields, only the
error, a text beside it. `status` says which; every form but the first is an error of the stage.
"""

import contextlib
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from iquitos_citylearn.evaluation.key_figures import CRITICAL
from iquitos_citylearn.runtime.artifacts import write_bytes, write_json

logger = logging.getLogger(__name__)

COMPLETE = "complete"
"""`status` of a result that is whole, certified, and has its tables beside it: the only one that is compared."""
CRITICAL_FIELDS = ("policy", "kind", "seed", "year", *CRITICAL, "certification")
"""What the minimal form keeps, as far as the result has it."""
WRITE_ERRORS = (OSError, RuntimeError, TypeError, ValueError, MemoryError)
"""What writing can fail with: disk and rights, a value without a form, recursion, no memory."""


class OutputError(RuntimeError):
    """An output of an evaluation is missing, or less than it should be."""


def write_outputs(result_file: Path, result: Mapping[str, Any], tables: Mapping[Path, Callable[[Path], None]]) -> None:
    """Write the tables of an evaluation and then its result; where one fails, the others are written all the same.

    Parameters
    ----------
    result_file : Path
        The JSON file of the result.
    result : mapping
        The result, with its `status`; that becomes `incomplete` when a table is not written.
    tables : mapping of Path to callable
        What writes each table, given its path.

    Raises
    ------
    OutputError
        At the end, with all that failed.
    """
    failures = []
    for path, write in tables.items():
        _remove_leftovers(path)
        try:
            write(path)
        except WRITE_ERRORS as error:
            failures.append(_describe(path, error))
            logger.error(failures[-1])  # noqa: TRY400 - the message says it all
    if failures:
        result = {**result, "status": "incomplete", "error": "; ".join(failures)}
    try:
        write_result(result_file, result)
    except OutputError as error:
        failures.append(str(error))
    if failures:
        raise OutputError("; ".join(failures))


def write_result(path: Path, result: Mapping[str, Any]) -> None:
    """Write the fullest form of a result that can be written, and log every attempt.

    Raises
    ------
    OutputError
        If that is not the whole result; says which form stands where, and why.
    """
    _remove_leftovers(path)
    reason = ""
    for form, write in FORMS.items():
        try:
            written = write(path, result, reason)
        except WRITE_ERRORS as error:
            logger.error("%s result not written: %s", form, _describe(path, error))  # noqa: TRY400 - as above
            reason = reason or _describe(path, error)
            continue
        logger.log(logging.ERROR if reason else logging.INFO, "%s: %s result written", written, form)
        if reason:
            raise OutputError(f"{written} is only the {form} result: {reason}")
        return
    raise OutputError(f"no form of the result could be written: {reason}")


def text_file(path: Path) -> Path:
    """Return the text file that stands for a result of which no JSON could be written."""
    return path.with_suffix(".txt")


def _write_whole(path: Path, result: Mapping[str, Any], _: str) -> Path:
    return _write_json(path, result)


def _write_minimal(path: Path, result: Mapping[str, Any], reason: str) -> Path:
    kept = {name: result[name] for name in CRITICAL_FIELDS if name in result}
    return _write_json(path, {"status": "minimal", **kept, "error": reason})


def _write_stub(path: Path, _: Mapping[str, Any], reason: str) -> Path:
    return _write_json(path, {"status": "stub", "error": reason})


def _write_text(path: Path, _: Mapping[str, Any], reason: str) -> Path:
    write_bytes(text_file(path), f"status: text\nerror: {reason}\n".encode())
    return text_file(path)


FORMS: Mapping[str, Callable[[Path, Mapping[str, Any], str], Path]] = {
    "whole": _write_whole,
    "minimal": _write_minimal,
    "stub": _write_stub,
    "text": _write_text,
}


def _write_json(path: Path, content: Mapping[str, Any]) -> Path:
    write_json(path, content)
    text_file(path).unlink(missing_ok=True)
    return path


def _remove_leftovers(path: Path) -> None:
    """Remove what a process that was killed while it wrote this file has left of it."""
    for leftover in path.parent.glob(f".{path.name}.*.tmp"):
        with contextlib.suppress(OSError):
            leftover.unlink()


def _describe(path: Path, error: BaseException) -> str:
    text = str(error) or type(error).__name__
    return text if text.startswith(str(path)) else f"{path}: {text}"
