import subprocess
from types import SimpleNamespace

import pytest

from tests.leftovers import Leftovers, in_home, in_repository, in_temporary_folder


def finish(watched, status):
    session = SimpleNamespace(exitstatus=status)
    watched.pytest_sessionfinish(session)
    return session.exitstatus


def test_a_run_that_leaves_something_fails_and_one_that_does_not_passes(tmp_path):
    (tmp_path / "was_there").touch()
    watched = Leftovers(lambda: set(tmp_path.iterdir()))
    assert finish(watched, pytest.ExitCode.OK) == pytest.ExitCode.OK
    (tmp_path / "new").touch()
    assert finish(watched, pytest.ExitCode.OK) == pytest.ExitCode.TESTS_FAILED
    assert finish(watched, pytest.ExitCode.INTERRUPTED) == pytest.ExitCode.INTERRUPTED
    assert watched.left == [tmp_path / "new"]


def test_names_in_the_temporary_folder_that_are_ours(tmp_path):
    ours = ["SB3-2026-11-28-13-22-14-274002", "pymp-59zzbasb", "sampled_year_931xh52k", "tmpabc_0123"]
    for name in (*ours, "pytest-of-root", "tmp.Z9HeeaUS7X", "setup.log"):
        (tmp_path / name).touch()
    assert in_temporary_folder(tmp_path) == {tmp_path / name for name in ours}


def test_home_is_looked_at_where_programs_leave_files(tmp_path):
    (tmp_path / ".cache" / "dvc").mkdir(parents=True)
    assert in_home(tmp_path) == {tmp_path / ".cache", tmp_path / ".cache" / "dvc"}


def test_what_git_does_not_track_is_seen_also_where_it_is_ignored_but_for_caches(tmp_path):
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    (tmp_path / ".gitignore").write_text("__pycache__/\n/runs/\n")
    for name in ("runs/status.json", "module/module.py", "module/__pycache__/module.pyc", "new"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    subprocess.run(["git", "add", "module/module.py"], cwd=tmp_path, check=True)
    assert in_repository(tmp_path) == {tmp_path / name for name in (".gitignore", "new", "runs")}
