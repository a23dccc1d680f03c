"""What git has of this folder: whether it keeps it at all, and files of the last commit."""

import subprocess
from pathlib import Path


def is_kept_by_git(folder: Path) -> bool:
    """Tell whether a folder is a checkout, or a part of one, and not for instance a downloaded archive."""
    return (folder / ".git").exists() or _git(folder, "ls-files", "--error-unmatch", "dvc.yaml") is not None


def committed_file(folder: Path, name: str) -> bytes | None:
    """Return a file of the last commit; None where there is no git, no commit or no such file in it."""
    return _git(folder, "show", f"HEAD:./{name}")


def last_commit_of(folder: Path, name: str) -> str:
    """Return short hash and date of the last commit that changed a file; empty where there is none."""
    return (_git(folder, "log", "-1", "--format=%h of %cs", "--", name) or b"").decode().strip()


def _git(folder: Path, *arguments: str) -> bytes | None:
    """Return what a git command printed; None where it failed or git is not installed."""
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout if done.returncode == 0 else None
