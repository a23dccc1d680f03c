"""Run the DVC pipeline so that one failed stage does not stop the others, and Ctrl-C stops them all.

`dvc repro --keep-going` alone treats an interrupted stage as failed and starts the next one. Here DVC and its stages
run in a session of their own, which a terminal's Ctrl-C does not reach; this process ends them in the right order.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from iquitos_citylearn.runtime.arithmetic_check import (
    ArithmeticMismatchError,
    check_project_arithmetic,
    unportable_warning,
)
from iquitos_citylearn.runtime.lock import is_held
from iquitos_citylearn.tools.folder import tell_dvc_of_git

GRACE_SECONDS = 30.0
POLL_SECONDS = 0.1
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_pipeline(arguments: Sequence[str] = ()) -> int:
    """Bring all that is stale up to date.

    Parameters
    ----------
    arguments : sequence of str
        More arguments of `dvc repro`, for instance the names of stages.

    Returns
    -------
    int
        DVC's exit status, or 128 + the signal's number when a signal ended the run.
    """
    tell_dvc_of_git()
    _forget_ended()
    received: list[int] = []
    previous = {number: signal.signal(number, lambda n, _: received.append(n)) for number in SIGNALS}
    command = [sys.executable, "-m", "dvc", "repro", "--keep-going", *arguments]
    try:
        with subprocess.Popen(command, env=_environment(), start_new_session=True) as dvc:
            while not received:
                try:
                    status = dvc.wait(timeout=POLL_SECONDS)
                except subprocess.TimeoutExpired:
                    continue
                return status if status >= 0 else 128 - status
            _end_session(dvc)
            return 128 + received[0]
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _forget_ended() -> None:
    """Forget how stages ended before: dvc.lock knows what is done, and what has failed is tried again."""
    for file in Path("runs").glob("*/status.json"):
        if not is_held(file.with_name("lock")):
            with contextlib.suppress(OSError):
                file.unlink()


def _environment() -> dict[str, str]:
    """Return the environment of DVC: this interpreter's programs first, and what DVC cannot do without.

    DVC runs commands in $SHELL, looks up a home and a user name, and keeps a site-wide cache unless told otherwise.
    """
    environment = dict(os.environ)
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", os.defpath)])
    environment["SHELL"] = "/bin/sh"
    scratch = Path(".dvc", "tmp").absolute()
    environment.setdefault("DVC_SITE_CACHE_DIR", str(scratch / "site-cache"))
    environment.setdefault("USER", "nobody")
    if not os.access(environment.get("HOME", ""), os.W_OK):
        scratch.mkdir(parents=True, exist_ok=True)
        environment["HOME"] = str(scratch)
    return environment


def _end_session(dvc: subprocess.Popen[bytes]) -> None:
    """End DVC first, so that it starts no further stage, then interrupt the stage; kill what is left in the end."""
    deadline = time.monotonic() + GRACE_SECONDS
    dvc.kill()
    left = _signal_group(dvc.pid, signal.SIGINT)
    dvc.wait()
    while left and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        left = _signal_group(dvc.pid, 0)
    if left:
        _signal_group(dvc.pid, signal.SIGKILL)


def _signal_group(group: int, number: int) -> bool:
    """Send a signal to every process of a group (0 only asks); False when none is left."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    return True


def main(arguments: Sequence[str]) -> int:
    """Say first what will keep results from being those of other machines, then run; return the exit status."""
    try:
        check_project_arithmetic()
    except (ArithmeticMismatchError, ValueError) as error:
        sys.exit(f"error: {error}")
    if warning := unportable_warning():
        sys.stderr.write(f"{warning}\n")
    return run_pipeline(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
