"""The remote that is shipped with the repository holds every file of the committed run."""

import pytest

from tests.defaults import ROOT
from tests.pipelines import dvc, repro, run

pytestmark = pytest.mark.release

LIMIT_BYTES = 60e6


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory):
    """A fresh clone of the last commit after `dvc pull`."""
    folder = tmp_path_factory.mktemp("newcomer") / "clone"
    run(ROOT, "git", "clone", "--quiet", str(ROOT), str(folder))
    dvc(folder, "pull")
    return folder


def test_nothing_is_stale_and_nothing_runs(newcomer):
    assert dvc(newcomer, "status").strip() == "Data and pipelines are up to date."
    assert repro(newcomer)[:2] == (0, [])
    assert run(newcomer, "git", "status", "--porcelain") == ""


def test_the_pulled_model_makes_the_committed_result_and_its_trace(newcomer):
    run(newcomer, "iquitos", "evaluate", "--policy", "sac")
    run(newcomer, "iquitos", "trace", "sac")
    assert run(newcomer, "git", "status", "--porcelain", "--", "metrics/result_SAC.json") == ""


def test_the_remote_is_small(newcomer):
    assert sum(path.stat().st_size for path in (newcomer / "release").rglob("*") if path.is_file()) <= LIMIT_BYTES
