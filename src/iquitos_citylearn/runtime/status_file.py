"""Status files: small JSON files that any terminal can read while a training runs, or after it has died.

Keys: state (waiting, starting, running, trained, stopped, failed, done), seed, pid, error (of `failed`),
and once steps are made step, total, steps_per_s, mean_reward, resumed_from, checkpoint_step.
"""

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from iquitos_citylearn.runtime.artifacts import ArtifactError, as_json, read_json


def update_status(path: Path, **changes: Any) -> None:
    """Change entries of a status file; where it can't be written, nothing happens.

    A status file is replaced atomically, but not forced to the disk: it is of no use after a power cut.
    """
    content = {**(read_status(path) or {}), **changes}
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(as_json(content)) + "\n", encoding="ascii")
        temporary.replace(path)


def read_status(path: Path) -> dict[str, Any] | None:
    """Return what a status file holds; None if there is none."""
    with contextlib.suppress(ArtifactError):
        return read_json(path)
    return None
