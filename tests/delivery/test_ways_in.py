"""Folders and environments that people really have: each gives the same bytes, or works on what is there.

`make test` tries those that take the finished tiny run along, `make test-long` a whole pipeline where everything is
unusual at once, and `dvc exp run` (`test_between_commits.py`). Params that a user has changed: `.ci/changed-params`.
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from iquitos_citylearn.tools.committed import is_kept_by_git
from iquitos_citylearn.tools.run_report import same_as_committed
from tests.pipelines import RUNNER, TINY, commit, copy_sources, dvc, repro, run, set_params

pytestmark = pytest.mark.xdist_group("pipeline")

PULL = (sys.executable, "-m", "iquitos_citylearn.tools.pull")
IN_VENV = list(Path(sysconfig.get_path("purelib")).glob("__editable__.iquitos_citylearn-*.pth"))
STRANGE = "con espacios y ñ"
READ_ONLY_VAR_TMP = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c")


def may_mount():
    return subprocess.run((*READ_ONLY_VAR_TMP, "mount -t tmpfs t /mnt"), check=False).returncode == 0


def unpacked(folder, target):
    """Copy a project's committed files as an archive has them: without .git and DVC's cache."""
    target.mkdir(parents=True)
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=folder, check=True, capture_output=True).stdout
    subprocess.run(["tar", "x"], cwd=target, input=archive, check=True)


def finds_everything_done(folder):
    run(folder, *PULL)
    assert dvc(folder, "status").strip() == "Data and pipelines are up to date."
    assert repro(folder)[:2] == (0, [])


def test_an_archive_without_git_pulls_and_has_nothing_to_run(released, tmp_path):
    folder = tmp_path / STRANGE / "archive"
    unpacked(released, folder)
    finds_everything_done(folder)
    assert same_as_committed(folder).endswith("can't be told: git does not keep this folder.")


def test_an_archive_that_git_takes_in_later_is_a_repository_to_dvc(released, tmp_path):
    folder = tmp_path / "archive"
    unpacked(released, folder)
    finds_everything_done(folder)
    run(folder, "git", "init", "--quiet")
    commit(folder, "mine")
    assert is_kept_by_git(folder)
    assert repro(folder)[:2] == (0, [])
    assert dvc(folder, "params", "diff", "HEAD") == ""
    assert re.fullmatch(r"All \d+ results have the bytes of the committed run .*", same_as_committed(folder))


def test_a_shallow_clone_and_a_worktree_of_it(released, tmp_path):
    clone, tree = tmp_path / "clone", tmp_path / STRANGE
    run(tmp_path, "git", "clone", "--quiet", "--depth", "1", released.as_uri(), str(clone))
    finds_everything_done(clone)
    run(clone, "git", "worktree", "add", "--quiet", "--detach", str(tree))
    finds_everything_done(tree)
    assert run(tree, "git", "status", "--porcelain") == ""


@pytest.mark.skipif(not IN_VENV, reason="NOT TESTED: this environment was not made by `make setup`")
def test_dvc_finds_the_programs_of_its_stages_without_an_activated_environment(project):
    before = (project / "dvc.lock").read_bytes()
    environment = os.environ | {"PATH": "/usr/bin:/bin"}
    command = [Path(sys.executable).parent / "dvc", "repro", "--force", "--single-item", "compare"]
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Running stage 'compare'" in done.stdout
    assert (project / "dvc.lock").read_bytes() == before


def test_dvcs_shared_folder_in_the_hands_of_another_user(project):
    """DVC keeps caches of all users in /var/tmp/dvc; here nobody may write there."""
    if shutil.which("unshare") is None or not may_mount():
        pytest.skip("NOT TESTED: no mounts in a user namespace here")
    environment = {name: value for name, value in os.environ.items() if name != "DVC_SITE_CACHE_DIR"}
    script = 'mount -t tmpfs -o ro tmpfs /var/tmp && exec "$@"'
    command = (*READ_ONLY_VAR_TMP, script, "sh", *RUNNER)
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.long
def test_a_run_where_everything_is_unusual_gives_the_same_bytes(first_run, tmp_path, monkeypatch):
    """No git, spaces and letters in the path, foreign time zone, locale, thread counts, no assertions, no home."""
    folder = tmp_path / STRANGE
    copy_sources(folder)
    set_params(folder, TINY)
    unusual = {
        "TZ": "Asia/Kathmandu",
        "LC_ALL": "C",
        "OMP_NUM_THREADS": "3",
        "MKL_NUM_THREADS": "2",
        "OPENBLAS_NUM_THREADS": "5",
        "NUMBA_NUM_THREADS": "1",
        "PYTHONOPTIMIZE": "1",
        "PYTHONHASHSEED": "7",
        "HOME": "/nonexistent",
        "SHELL": "/bin/false",
    }
    for name, value in unusual.items():
        monkeypatch.setenv(name, value)
    status, _, output = repro(folder)
    assert status == 0, output
    assert (folder / "dvc.lock").read_bytes() == (first_run[0] / "dvc.lock").read_bytes()
