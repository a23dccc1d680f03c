"""Projects between commits and remotes, all grown from the one tiny run."""

import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.pipelines import commit, dvc, repro, run, set_params

OLD_RATE, NEW_RATE = 0.0003, 0.01


@pytest.fixture(scope="session")
def released(first_run, tmp_path_factory) -> Path:
    """A project whose last commit holds the tiny run and, in `release/`, all its files."""
    folder = tmp_path_factory.mktemp("released") / "project"
    shutil.copytree(first_run[0], folder, symlinks=True)
    dvc(folder, "push", "--remote", "release")
    commit(folder, "first")
    return folder


@pytest.fixture
def clone(released, tmp_path) -> Path:
    """A fresh clone of the released project, which is at `released` beside it."""
    folder = tmp_path / "clone"
    run(tmp_path, "git", "clone", "--quiet", str(released), str(folder))
    (tmp_path / "released").symlink_to(released)
    return folder


class TwoCommits(NamedTuple):
    """A project with two commits, and the stages that the second one made run."""

    folder: Path
    ran: list[str]


@pytest.fixture(scope="session")
def two_commits(released, tmp_path_factory) -> TwoCommits:
    """Two commits that differ in PPO's learning rate and in what follows from it."""
    folder = tmp_path_factory.mktemp("two_commits") / "project"
    shutil.copytree(released, folder, symlinks=True)
    set_params(folder, f"train: {{ppo: {{kwargs: {{learning_rate: {NEW_RATE}}}}}}}")
    status, ran, output = repro(folder)
    assert status == 0, output
    commit(folder, "second")
    return TwoCommits(folder, ran)
