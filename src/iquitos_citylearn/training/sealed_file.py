"""Files that know whether they are whole: a checksum, a header in JSON, and a payload."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from iquitos_citylearn.runtime.artifacts import write_bytes

SEPARATOR = b"\n"


class DamagedError(RuntimeError):
    """A file is torn, truncated or changed; the message names it."""


class Sealed(NamedTuple):
    """What a sealed file holds.

    Attributes
    ----------
    header : dict
        Small things, readable before the payload is.
    payload : bytes
        The rest.
    """

    header: dict[str, Any]
    payload: bytes


def write_sealed(path: Path, header: Mapping[str, Any], payload: bytes) -> None:
    """Write a file atomically: SHA-256 of all that follows, the header in one line of JSON, the payload.

    Raises
    ------
    ArtifactError
        If the file can't be written; an earlier version of it stays.
    """
    body = json.dumps(header, sort_keys=True).encode("ascii") + SEPARATOR + payload
    write_bytes(path, hashlib.sha256(body).hexdigest().encode("ascii") + SEPARATOR + body)


def read_sealed(path: Path) -> Sealed:
    """Read a file of `write_sealed`.

    Raises
    ------
    DamagedError
        If it can't be read or its checksum is wrong.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DamagedError(f"{path}: cannot be read: {error.strerror}") from error
    checksum, _, body = content.partition(SEPARATOR)
    if hashlib.sha256(body).hexdigest().encode("ascii") != checksum:
        raise DamagedError(f"{path}: its checksum is wrong ({len(content)} bytes): torn, truncated or changed")
    header, _, payload = body.partition(SEPARATOR)
    return Sealed(json.loads(header), payload)
