"""`make pull`: everything or nothing, from a remote that is whole, incomplete, corrupt or not there."""

import hashlib
import shutil
import subprocess
import sys

import pytest

from iquitos_citylearn.runtime.artifacts import sha256
from iquitos_citylearn.tools.pull import PullError, pull
from tests.pipelines import dvc, repro, run

pytestmark = pytest.mark.xdist_group("pipeline")


def work_tree(folder):
    """Return the digests of all files but those of git and DVC."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    inside = [path.relative_to(folder) for path in files]
    return {path: sha256(folder / path) for path in inside if path.parts[0] not in {".git", ".dvc", "release"}}


def object_of(clone, name):
    """Return the object of the bundled remote that holds a file of the run."""
    digest = hashlib.md5((clone.parent / "released" / name).read_bytes(), usedforsecurity=False).hexdigest()
    return clone / "release" / "files" / "md5" / digest[:2] / digest[2:]


def test_a_fresh_clone_gets_everything_and_nothing_is_stale(clone, released):
    run(clone, sys.executable, "-m", "iquitos_citylearn.tools.pull")
    assert dvc(clone, "status").strip() == "Data and pipelines are up to date."
    assert repro(clone)[:2] == (0, [])
    assert run(clone, "git", "status", "--porcelain") == ""
    assert (clone / "models/sac/seed_0.zip").read_bytes() == (released / "models/sac/seed_0.zip").read_bytes()


def test_a_pulled_model_is_evaluated_to_the_same_result_and_traced(clone):
    dvc(clone, "pull")
    before = (clone / "metrics/result_SAC.json").read_bytes()
    command = [sys.executable, "-c", "from iquitos_citylearn.cli import main; main()"]
    run(clone, *command, "evaluate", "--policy", "sac")
    assert (clone / "metrics/result_SAC.json").read_bytes() == before
    trace = clone / "metrics/simulations/trace_SAC.csv"
    written = trace.read_bytes()
    trace.unlink()
    run(clone, *command, "trace", "sac")
    assert trace.read_bytes() == written


def lose_a_model(clone):
    object_of(clone, "models/sac/seed_0.zip").unlink()


def damage_a_model(clone):
    path = object_of(clone, "models/sac/seed_0.zip")
    path.chmod(0o644)
    path.write_bytes(b"something else")


def lose_a_time_series(clone):
    object_of(clone, "metrics/simulations/timeseries_SAC.csv").unlink()


def lose_all(clone):
    shutil.rmtree(clone / "release")


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lose_a_model, r"no whole copy of 1 files: models/sac/seed_0\.zip"),
        (damage_a_model, r"no whole copy of 1 files: models/sac/seed_0\.zip"),
        (lose_a_time_series, r"no whole copy of 1 files: metrics/simulations/timeseries_SAC\.csv"),
        (lose_all, r"no whole copy of \d+ files: data/evaluation"),
    ],
)
def test_a_bad_remote_is_named_and_the_work_tree_stays(clone, harm, said):
    harm(clone)
    before = work_tree(clone)
    with pytest.raises(PullError, match=rf"remote 'release' .*{said}.*as it was.*`dvc repro` makes the files"):
        pull(clone)
    assert work_tree(clone) == before


def test_a_server_that_does_not_answer_is_said(clone):
    dvc(clone, "remote", "add", "--local", "server", "http://127.0.0.1:9/")
    before = work_tree(clone)
    # A process of its own, as users run it: the HTTP client of DVC leaves its session open for good.
    command = [sys.executable, "-m", "iquitos_citylearn.tools.pull", "server"]
    ended = subprocess.run(command, check=False, cwd=clone, capture_output=True, text=True)
    assert ended.returncode == 1
    assert "error: remote 'server' (http://127.0.0.1:9/) gives no whole copy" in ended.stderr
    assert work_tree(clone) == before


def test_an_unknown_remote_is_refused_with_the_known_ones(clone):
    with pytest.raises(PullError, match=r"no remote 'nowhere'.*: release"):
        pull(clone, "nowhere")
