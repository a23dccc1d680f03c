"""The image in a real engine: the smoke pipeline, twice, as a user that the image does not know."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.pipelines import ROOT, commit, run

pytestmark = [pytest.mark.image, pytest.mark.timeout(3600)]

IMAGE = os.environ.get("IMAGE", "iquitos-citylearn:cpu")
DOCKER = os.environ.get("DOCKER", "docker")
UID = GID = 12345
CLOSED = ("--read-only", "--cap-drop", "ALL", "--network", "none")


def in_image(folder, *command, options=CLOSED):
    """Run a command in the image as an unknown user, the checkout mounted; return status and output."""
    line = [
        DOCKER,
        "run",
        "--rm",
        "--user",
        f"{UID}:{GID}",
        *options,
        "--volume",
        f"{folder}:/workspace",
        IMAGE,
        *command,
    ]
    done = subprocess.run(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode, done.stdout


def outs(lock):
    """Return digests of all results of a run but the record of its environment."""
    stages = yaml.safe_load(lock.read_text(encoding="utf-8"))["stages"]
    found = {out["path"]: out["md5"] for stage in stages.values() for out in stage["outs"]}
    del found["metrics/environment.json"]
    return found


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A clone of the last commit with the params of `make smoke` and without results, owned by the unknown user."""
    folder = tmp_path_factory.mktemp("image") / "checkout"
    run(ROOT, "git", "clone", "--quiet", str(ROOT), str(folder))
    shutil.copyfile(ROOT / ".smoke" / "params.yaml", folder / "params.yaml")
    (folder / "dvc.lock").unlink()
    commit(folder, "smoke params")
    run(folder, "chown", "-R", f"{UID}:{GID}", ".")
    for parent in list(folder.parents)[:3]:
        parent.chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def first_run_output(checkout):
    status, output = in_image(checkout)
    assert status == 0, output
    return output


def test_results_equal_those_of_this_machine(first_run_output, checkout):
    assert "Running stage 'train_sac'" in first_run_output
    assert outs(checkout / "dvc.lock") == outs(ROOT / ".smoke" / "dvc.lock")


@pytest.mark.usefixtures("first_run_output")
def test_a_second_run_is_all_cached(checkout):
    status, output = in_image(checkout)
    assert status == 0, output
    assert "Running stage" not in output


@pytest.mark.usefixtures("first_run_output")
def test_everything_belongs_to_the_caller(checkout):
    strangers = [path for path in checkout.rglob("*") if (path.lstat().st_uid, path.lstat().st_gid) != (UID, GID)]
    assert strangers == []


@pytest.mark.usefixtures("first_run_output")
def test_any_command_runs_instead(checkout):
    assert in_image(checkout, "dvc", "status")[1].strip().endswith("Data and pipelines are up to date.")
    assert in_image(checkout, "dvc", "metrics", "show", "--md")[0] == 0
    status, output = in_image(checkout, "iquitos", "trace", "sac", options=())
    assert (status, output.strip().splitlines()[-1]) == (0, "metrics/simulations/trace_SAC.csv")


@pytest.mark.usefixtures("first_run_output")
def test_tensorboard_finds_the_trainings(checkout):
    assert list(Path(checkout, "runs").rglob("events.out.tfevents.*"))


def test_a_checkout_of_somebody_else_is_refused_with_the_option_that_helps(checkout):
    run(checkout.parent, DOCKER, "run", "--rm", IMAGE, "iquitos", "--help")
    line = [DOCKER, "run", "--rm", "--user", "54321:54321", "--volume", f"{checkout}:/workspace", IMAGE]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"Add: --user {UID}:{GID}" in done.stderr


def test_the_default_user_is_a_number_and_the_labels_are_there():
    label = '{{.Config.User}} {{index .Config.Labels "iquitos.versions"}}'
    shown = run(ROOT, DOCKER, "image", "inspect", "--format", label, IMAGE)
    user, _, versions = shown.partition(" ")
    assert user.replace(":", "").isdecimal()
    assert "citylearn=3.0.2" in versions.split()
