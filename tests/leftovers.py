"""What a test run has left outside pytest's own folder: it fails for it at its end."""

import re
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
OTHERS = ("", ".cache", ".config", ".local/share", ".local/state")
"""Folders below the home folder in which programs leave their files."""
CACHES = re.compile(r"(.*/)?(__pycache__|\.(pytest|ruff|mypy)_cache|\.hypothesis|[^/]+\.egg-info)/(.*)")
"""What tests and tools keep in the repository for the next time, ignored by git."""
OURS = re.compile(
    r"SB3-.*|pymp-.*|listener-.*|fork_server_.*|sampled_year_.*|tmp[a-z0-9_]{8}|dvc.*|torch.*|matplotlib-.*|iquitos.*"
)
"""Names in the temporary folder that the libraries used here give; others' programs use that folder too."""


def in_temporary_folder(folder: Path) -> set[Path]:
    """Return the entries of the machine's temporary folder that this project's libraries can have made."""
    return {path for path in folder.iterdir() if OURS.fullmatch(path.name)}


def in_home(home: Path) -> set[Path]:
    """Return the entries of a home folder, and of the folders in it that programs use."""
    return {path for name in OTHERS if (home / name).is_dir() for path in (home / name).iterdir()}


def in_repository(root: Path) -> set[Path]:
    """Return the files and folders of a repository that git does not track, caches excepted."""
    command = ("git", "status", "--porcelain", "-z", "--ignored", "--no-renames")
    listed = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout.split("\0")
    untracked = [line[3:] for line in listed if line.startswith(("??", "!!"))]
    return {root / name for name in untracked if not CACHES.fullmatch(name)}


class Leftovers:
    """Plugin of pytest's main process that compares places before and after the tests.

    Parameters
    ----------
    *looks : callable
        Each returns the paths in a place.
    """

    def __init__(self, *looks: Callable[[], set[Path]]) -> None:
        self.looks = looks
        self.before = self._paths()
        self.left: list[Path] = []

    def _paths(self) -> set[Path]:
        return set().union(*(look() for look in self.looks))

    @pytest.hookimpl(trylast=True)  # when the processes that run tests have ended
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        self.left = sorted(self._paths() - self.before)
        if self.left and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.left:
            terminalreporter.section("left outside the tests' own folder", red=True)
        for path in self.left:
            terminalreporter.line(str(path))


def watch(config: pytest.Config) -> None:
    """Watch the temporary folder, the home folder and the repository from now on, in the main process alone."""
    if hasattr(config, "workerinput"):  # of pytest-xdist
        return
    temporary = Path(tempfile.gettempdir())
    watched = Leftovers(
        lambda: in_temporary_folder(temporary), lambda: in_home(Path.home()), lambda: in_repository(ROOT)
    )
    config.pluginmanager.register(watched, "leftovers")
