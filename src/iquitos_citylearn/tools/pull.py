"""Fetch all files that dvc.lock names from a remote, or change nothing; `make pull` calls this.

`dvc pull` checks out what it could get, and may remove an older version of what it could not. Here everything comes
into DVC's cache first, each file held to its hash, and the work tree is touched only when the cache is complete.
"""

import contextlib
import sys
from pathlib import Path

from dvc.exceptions import DownloadError, DvcException
from dvc.repo import Repo

from iquitos_citylearn.tools.folder import tell_dvc_of_git

TRAIN_INSTEAD = (
    "The work tree is as it was. Another remote may hold them (REMOTE=name), or `dvc repro` makes the files."
)


class PullError(RuntimeError):
    """The remote does not hold what dvc.lock names."""


def pull(folder: Path, remote: str | None = None) -> None:
    """Fetch all missing files, then check them out.

    Parameters
    ----------
    folder : Path
        Root of the checkout.
    remote : str or None
        Name of a DVC remote; None is the default remote.

    Raises
    ------
    PullError
        If the remote can't be reached, lacks a file or holds a corrupt one; the work tree is as it was.
    """
    with Repo(str(folder)) as repo:
        name = remote or repo.config["core"].get("remote")
        if name not in repo.config["remote"]:
            raise PullError(f"there is no remote {name!r}; `dvc remote list` shows: {', '.join(repo.config['remote'])}")
        repo.config["remote"][name]["verify"] = True
        where = f"remote {name!r} ({repo.config['remote'][name]['url']})"
        try:
            _refuse(where, _files(repo, name, {"missing"}))
            with contextlib.suppress(DownloadError):  # what has failed is told by name below
                repo.fetch(remote=name)
            # Only now are the lists of files in folders here; a corrupt file was fetched and thrown away.
            _refuse(where, _files(repo, name, {"missing", "deleted"}))
        except (DvcException, OSError) as error:
            raise PullError(f"{where} can't be read: {error}. {TRAIN_INSTEAD}") from error
        repo.checkout()


def _files(repo: Repo, remote: str, states: set[str]) -> list[str]:
    """Return what DVC says is `missing` from remote and cache, or `deleted` from the cache alone.

    DVC tells nothing of a folder whose list of files is nowhere; it is named itself then.
    """
    places = (repo.cache.local, repo.cloud.get_remote_odb(remote))
    outs = {out.def_path: out.hash_info.value for out in repo.index.outs if out.use_cache}
    nowhere = {path for path, digest in outs.items() if not any(place.exists(digest) for place in places)}
    found = repo.status(cloud=True, remote=remote)
    return sorted(nowhere | {path for path, state in found.items() if state in states})


def _refuse(where: str, paths: list[str], n_shown: int = 5) -> None:
    if paths:
        names = ", ".join(paths[:n_shown]) + (", ..." if len(paths) > n_shown else "")
        raise PullError(f"{where} gives no whole copy of {len(paths)} files: {names}. {TRAIN_INSTEAD}")


def main(remote: str | None) -> None:
    """Run the program; what went wrong is one message and exit status 1."""
    try:
        tell_dvc_of_git()
        pull(Path(), remote)
        sys.stdout.write("All files that dvc.lock names are here.\n")
    except (PullError, DvcException) as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(1)


if __name__ == "__main__":
    main(sys.argv[1] if sys.argv[1:] else None)
