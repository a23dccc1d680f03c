"""The image in a real engine: the smoke pipeline, twice, as a user that the image does not know."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.defaults import ROOT
from tests.delivery.engine import DOCKER, IMAGE, OWNER, make_checkout, strangers_in
from tests.pipelines import run

pytestmark = pytest.mark.image

CLOSED = ("--read-only", "--cap-drop", "ALL", "--network", "none")


def in_image(folder, *command, options=CLOSED):
    """Run a command in the image as an unknown user, the checkout mounted; return status and output."""
    line = [
        DOCKER,
        "run",
        "--rm",
        "--user",
        OWNER,
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
    return make_checkout(tmp_path_factory.mktemp("image") / "checkout")


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
    assert strangers_in(checkout) == []


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
    assert f"Add: --user {OWNER}" in done.stderr


def test_the_image_says_what_it_is_and_runs_as_a_number_that_is_not_root():
    config = json.loads(run(ROOT, DOCKER, "image", "inspect", "--format", "{{json .Config}}", IMAGE))
    uid, gid = config["User"].split(":")
    assert uid.isdecimal()
    assert gid.isdecimal()
    assert uid != "0"
    labels = config["Labels"]
    assert labels["iquitos.torch"] == IMAGE.rpartition(":")[2]
    assert "citylearn=3.0.2" in labels["iquitos.versions"].split()
    assert labels["org.opencontainers.image.revision"] == run(ROOT, "git", "describe", "--always", "--dirty").strip()
    assert {"NVIDIA_VISIBLE_DEVICES=all", "NVIDIA_DRIVER_CAPABILITIES=compute,utility"} <= set(config["Env"])


def test_torch_is_the_locked_version_and_the_cuda_build_has_its_libraries():
    ask = "import torch; print(torch.__version__.partition('+')[0], torch.version.cuda)"
    version, cuda = run(ROOT, DOCKER, "run", "--rm", IMAGE, "python", "-c", ask).split()
    assert version == yaml.safe_load((ROOT / "requirements/numerics.yaml").read_text(encoding="utf-8"))["torch"]
    assert cuda != "None" or not IMAGE.endswith(":cuda")


def test_the_gpu_of_this_machine_is_seen():
    if not IMAGE.endswith(":cuda"):
        pytest.skip("the image's torch needs no GPU")
    ask = ("python", "-c", "import torch; print(torch.cuda.is_available(), torch.cuda.get_device_name())")
    line = [DOCKER, "run", "--rm", "--gpus", "all", IMAGE, *ask]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    if "could not select device driver" in done.stderr:
        pytest.skip("NOT TESTED: --gpus all. Docker knows no GPU here.")
    assert done.stdout.startswith("True "), done.stdout + done.stderr


def test_no_cache_is_left_in_the_image():
    places = "~root/.cache /var/cache/apt /var/lib/apt/lists /tmp /var/log"
    line = [DOCKER, "run", "--rm", "--user", "0:0", "--entrypoint", "sh", IMAGE, "-ec"]
    assert run(ROOT, *line, f'for place in {places}; do [ ! -e "$place" ] || find "$place" -type f; done') == ""


def test_a_private_checkout_of_root_takes_root_and_nobody_else(tmp_path):
    (tmp_path / "dvc.yaml").touch()
    tmp_path.chmod(0o700)
    run(tmp_path, "chown", "0:0", ".")
    line = [DOCKER, "run", "--rm", "--volume", f"{tmp_path}:/workspace"]
    refused = subprocess.run([*line, IMAGE, "touch", "file"], capture_output=True, text=True, check=False)
    assert (refused.returncode, "Add: --user 0:0" in refused.stderr) == (1, True)
    run(tmp_path, *line, "--user", "0:0", IMAGE, "touch", "file")
    assert (tmp_path / "file").stat().st_uid == 0
