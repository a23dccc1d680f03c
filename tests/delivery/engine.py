"""The image under test, and a checkout for it that belongs to a user whom the image does not know."""

import os
import shutil

from tests.defaults import ROOT
from tests.pipelines import commit, run

IMAGE = os.environ.get("IMAGE", "iquitos-citylearn:cpu")
DOCKER = os.environ.get("DOCKER", "docker")
UID = GID = 12345
OWNER = f"{UID}:{GID}"


def make_checkout(folder):
    """Clone the last commit with the params of `make smoke` and without results; return the folder.

    Hard links would give the objects of the clone's origin to the unknown user as well.
    """
    run(ROOT, "git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(folder))
    shutil.copyfile(ROOT / ".smoke" / "params.yaml", folder / "params.yaml")
    (folder / "dvc.lock").unlink()
    commit(folder, "smoke params")
    run(folder, "chown", "-R", OWNER, ".")
    for parent in list(folder.parents)[:3]:
        parent.chmod(0o755)
    return folder


def strangers_in(folder):
    """Return the files that belong to somebody else than the unknown user."""
    return [path for path in folder.rglob("*") if (path.lstat().st_uid, path.lstat().st_gid) != (UID, GID)]
