"""Tell DVC what kind of folder the project is in, before it is asked for anything; `make setup` calls this.

DVC refuses to work in a folder without git, for instance a downloaded archive, unless its local settings say so. Git
does not see these settings; they are taken back as soon as git keeps the folder.
"""

import re
import subprocess
import sys
from pathlib import Path

from iquitos_citylearn.tools.committed import is_kept_by_git

SETTINGS, LOCAL_SETTINGS = Path(".dvc", "config"), Path(".dvc", "config.local")
SAID = re.compile(r"^\s*no_scm\s*=\s*true\s*$", flags=re.MULTILINE | re.IGNORECASE)


def tell_dvc_of_git(folder: Path = Path()) -> None:
    """Bring DVC's local settings into line with whether git keeps this folder."""
    if _says_no_git(folder / SETTINGS):  # a case of the study, whatever is around it
        return
    kept, said = is_kept_by_git(folder), _says_no_git(folder / LOCAL_SETTINGS)
    if kept and said:
        _configure(folder, "--unset", "core.no_scm")
    if not kept and not said:
        _configure(folder, "core.no_scm", "true")


def _says_no_git(file: Path) -> bool:
    return file.is_file() and SAID.search(file.read_text(encoding="utf-8")) is not None


def _configure(folder: Path, *arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "dvc", "config", "--local", *arguments], cwd=folder, check=True)


if __name__ == "__main__":
    tell_dvc_of_git()
