"""A case: the same pipeline on params that differ in a few keys, in a folder of its own with a DVC of its own.

The pipeline above is not touched: the folder holds a copy of `dvc.yaml`, the overlaid params, and links to the code.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from iquitos_citylearn.runtime.folders import METRICS
from iquitos_citylearn.tools.overlay import write_overlaid
from iquitos_citylearn.tools.pipeline_file import write_pipeline

LINKED = ("src", "requirements", "data/raw")
LOCK = Path("dvc.lock")
SETTINGS = """[core]
    no_scm = true
    analytics = false
    check_update = false
"""
"""Of a case's DVC: it is no git repository, and reports to nobody."""


class CaseError(RuntimeError):
    """The pipeline of a case did not come to its end."""


def prepare_case(folder: Path, overlay: Path, root: Path = Path(), *, from_run: bool = False) -> None:
    """Make or refresh the folder of a case.

    Parameters
    ----------
    folder : Path
        Where the case runs; ignored by git and by the DVC above.
    overlay : Path
        The keys in which its params differ.
    root : Path
        The project.
    from_run : bool
        Whether a new case starts from the project's own run: what its params and modules leave valid is not run again.

    Raises
    ------
    ParamsError
        If the overlay does not fit `params.yaml`; nothing is changed then.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_overlaid(root / "params.yaml", overlay, folder / "params.yaml")
    for name in LINKED:
        link = folder / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(os.path.relpath(root / name, link.parent))
    shutil.copyfile(root / "dvc.yaml", folder / "dvc.yaml")
    write_pipeline(folder)
    if not (folder / ".dvc").is_dir():
        _dvc(folder, "init", "--quiet", "--no-scm")
    (folder / ".dvc" / "config").write_text(SETTINGS, encoding="utf-8")
    if from_run and not (folder / LOCK).exists():
        _dvc(folder, "cache", "dir", "--local", str((root / ".dvc" / "cache").resolve()))
        shutil.copytree(root / METRICS, folder / METRICS, dirs_exist_ok=True)
        shutil.copyfile(root / LOCK, folder / LOCK)
        _dvc(folder, "checkout", "--quiet", "--force", "--allow-missing")


def _dvc(folder: Path, *arguments: str) -> None:
    environment = os.environ | {"DVC_NO_ANALYTICS": "true"}  # `dvc init` has no settings yet
    subprocess.run([sys.executable, "-m", "dvc", *arguments], cwd=folder, env=environment, check=True)


def run_case(folder: Path) -> None:
    """Run whatever is stale in a case.

    Raises
    ------
    CaseError
        If a stage failed.
    """
    status = subprocess.run([sys.executable, "-m", "iquitos_citylearn.tools.repro"], cwd=folder, check=False).returncode
    if status != 0:
        raise CaseError(f"{folder}: the pipeline ended with status {status}; the log above says why")


def main(arguments: list[str]) -> None:
    """Prepare and run the case of an overlay in a folder."""
    overlay, folder = map(Path, arguments)
    prepare_case(folder, overlay)
    run_case(folder)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (CaseError, ValueError) as error:
        sys.exit(f"error: {error}")
