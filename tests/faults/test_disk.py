"""Disks that are full, folders that are read-only or forbidden: real ones, in a namespace that ends with the test.

Where such namespaces are not permitted these tests are skipped, and say so; `tests/runtime/test_artifacts.py` then
still holds a write that a limit of the process cuts off.
"""

import json
import os
import re
import shlex
import shutil
import subprocess

import pytest

from tests.comparison.test_compare import write_results
from tests.defaults import PARAMS
from tests.faults.project import LIMIT_S, PROGRAM, TRAIN, prepare_evaluation

pytestmark = [pytest.mark.faults, pytest.mark.xdist_group("disk")]

NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c")
NO_RIGHTS = ("setpriv", "--bounding-set=-all", "--inh-caps=-all") if os.geteuid() == 0 else ()
"""Takes from root what lets it write anywhere."""
IQUITOS = shlex.join(PROGRAM)


def is_permitted(script):
    if shutil.which(NAMESPACE[0]) is None:
        return False
    return subprocess.run((*NAMESPACE, script), check=False, capture_output=True).returncode == 0


def may_give_up_rights():
    if not NO_RIGHTS:
        return True
    return shutil.which(NO_RIGHTS[0]) is not None and subprocess.run((*NO_RIGHTS, "true"), check=False).returncode == 0


def files_in(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


needs_mounts = pytest.mark.skipif(
    not is_permitted("mount -t tmpfs tmpfs /mnt"),
    reason="NOT TESTED: no mounts in a user namespace here",
)


def run_in_namespace(folder, script):
    """Run a shell script in a folder, with mounts of its own; return what it said."""
    done = subprocess.run(
        (*NAMESPACE, script), cwd=folder, check=False, capture_output=True, text=True, timeout=2 * LIMIT_S
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@needs_mounts
def test_training_on_a_full_disk_keeps_its_checkpoint_and_goes_on_when_there_is_room(project, left_alone):
    project.checkpoints.mkdir(parents=True)
    train = shlex.join(TRAIN)
    said = run_in_namespace(
        project.folder,
        f"""set -e
        mount -t tmpfs -o size=400k tmpfs checkpoints/ppo
        ! {train}
        [ -z "$(find checkpoints -name '.*.tmp')" ]
        mount -o remount,size=50m checkpoints/ppo
        {train}
        """,
    )
    kept = int(re.findall(r"resumed at step (\d+)", said)[0])
    assert kept > 0
    assert re.search(r"no checkpoint at step \d+, the one before it stays: .*: No space left on device", said)
    assert "finished.sealed: cannot be written: No space left on device" in said
    assert (project.folder / "models" / "ppo" / "seed_0.zip").read_bytes() == left_alone.payload


@needs_mounts
def test_evaluation_on_a_full_disk_writes_what_it_can_and_says_what_is_absent(tmp_path):
    prepare_evaluation(tmp_path)
    # Eight pages: one for the references, four for the time series, two for the result; the trace needs four.
    run_in_namespace(
        tmp_path,
        f"""set -e
        cp metrics/references.json .
        mount -t tmpfs -o size=32k tmpfs metrics
        cp references.json metrics
        ! {IQUITOS} evaluate --policy uncontrolled
        cp -r metrics full
        mount -o remount,size=50m metrics
        {IQUITOS} evaluate --policy uncontrolled
        cp -r metrics roomy
        """,
    )
    full, roomy = tmp_path / "full", tmp_path / "roomy"
    series = "simulations/timeseries_UNCONTROLLED.csv"
    assert files_in(full) == ["references.json", "result_UNCONTROLLED.json", series]
    assert files_in(roomy) == [
        "references.json",
        "result_UNCONTROLLED.json",
        series,
        "simulations/trace_UNCONTROLLED.csv",
    ]
    assert (full / series).read_bytes() == (roomy / series).read_bytes()
    incomplete, complete = (json.loads((f / "result_UNCONTROLLED.json").read_text()) for f in (full, roomy))
    assert incomplete.pop("error").endswith("trace_UNCONTROLLED.csv: cannot be written: No space left on device")
    assert incomplete == complete | {"status": "incomplete"}
    assert complete["status"] == "complete"


@needs_mounts
def test_read_only_folders_are_left_as_they_were(tmp_path):
    metrics = tmp_path / "metrics"
    write_results(metrics)
    shutil.copyfile(PARAMS, tmp_path / "params.yaml")
    before = {name: (metrics / name).read_bytes() for name in files_in(metrics)}
    said = run_in_namespace(
        tmp_path,
        f"""set -e
        mkdir runs
        for folder in metrics runs; do mount --bind $folder $folder; mount -o remount,bind,ro $folder; done
        ! {IQUITOS} compare
        """,
    )
    assert "error: metrics/comparison.json: cannot be written: Read-only file system\n" in said
    assert {name: (metrics / name).read_bytes() for name in files_in(metrics)} == before


@pytest.mark.skipif(not may_give_up_rights(), reason="NOT TESTED: root can't give up its rights here")
def test_forbidden_folders_are_left_as_they_were(tmp_path):
    metrics = tmp_path / "metrics"
    write_results(metrics)
    shutil.copyfile(PARAMS, tmp_path / "params.yaml")
    before = {name: (metrics / name).read_bytes() for name in files_in(metrics)}
    metrics.chmod(0o500)
    done = subprocess.run(
        (*NO_RIGHTS, *PROGRAM, "compare"), cwd=tmp_path, check=False, capture_output=True, encoding="utf-8"
    )
    metrics.chmod(0o700)
    assert done.returncode == 1
    assert "error: metrics/comparison.json: cannot be written: Permission denied\n" in done.stderr
    assert {name: (metrics / name).read_bytes() for name in files_in(metrics)} == before
