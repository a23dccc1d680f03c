"""compose.yaml in use: the CPU profile in a real engine, the GPU profile as far as a machine without one can tell."""

import json
import subprocess

import pytest
import yaml

from tests.defaults import ROOT
from tests.delivery.engine import DOCKER, IMAGE, OWNER, make_checkout, strangers_in
from tests.delivery.programs import program
from tests.pipelines import run

pytestmark = pytest.mark.image

WITHOUT_NETWORK = {
    "services": {
        "pipeline-cpu": {"image": IMAGE, "network_mode": "none", "command": ["iquitos", "build-dataset"]},
        "tensorboard-cpu": {"image": IMAGE, "network_mode": "none"},
    }
}
"""Any engine has this network; the command is the pipeline's first stage instead of all of it."""
ASK_TENSORBOARD = """
import time, urllib.request
for wait in range(60):
    try:
        print(urllib.request.urlopen("http://127.0.0.1:6006/data/environment").read().decode())
        break
    except OSError:
        time.sleep(1)
"""


@pytest.fixture(scope="module")
def compose():
    """Return the command line of compose: Docker's plugin, or the program of that name."""
    plugin = subprocess.run([DOCKER, "compose", "version"], capture_output=True, check=False)
    return [DOCKER, "compose"] if plugin.returncode == 0 else [program("docker-compose")]


@pytest.fixture(autouse=True)
def caller(monkeypatch):
    monkeypatch.setenv("OWNER", OWNER)


def services(compose, profile):
    configured = yaml.safe_load(run(ROOT, *compose, "--profile", profile, "config"))["services"]
    return {name: service for name, service in configured.items() if profile in service["profiles"]}


@pytest.mark.parametrize("profile", ["cpu", "gpu"])
def test_every_service_runs_as_the_caller_and_only_this_machine_sees_tensorboard(compose, profile):
    found = services(compose, profile)
    assert sorted(found) == [f"pipeline-{profile}", f"tensorboard-{profile}"]
    assert {service["user"] for service in found.values()} == {OWNER}
    [port] = found[f"tensorboard-{profile}"]["ports"]
    assert (port["host_ip"] if isinstance(port, dict) else port.split(":")[0]) == "127.0.0.1"


def test_the_gpu_profile_asks_for_every_gpu(compose):
    pipeline = services(compose, "gpu")["pipeline-gpu"]
    [device] = pipeline["deploy"]["resources"]["reservations"]["devices"]
    assert (device["driver"], device["capabilities"]) == ("nvidia", ["gpu"])
    assert device["count"] in ("all", -1)
    assert pipeline["build"]["args"]["TORCH"] == "cuda"


def test_the_cpu_profile_leaves_the_callers_files_and_serves_tensorboard(compose, tmp_path):
    checkout = make_checkout(tmp_path / "checkout")
    (tmp_path / "override.yaml").write_text(yaml.safe_dump(WITHOUT_NETWORK), encoding="utf-8")
    command = [*compose, "-f", "compose.yaml", "-f", str(tmp_path / "override.yaml"), "--profile", "cpu"]
    try:
        run(checkout, *command, "up", "--detach", "--no-build")
        answer = run(checkout, *command, "exec", "-T", "tensorboard-cpu", "python", "-c", ASK_TENSORBOARD)
        assert json.loads(answer)["data_location"] == "runs"
        container = run(checkout, *command, "ps", "--all", "--quiet", "pipeline-cpu").strip()
        assert run(checkout, DOCKER, "wait", container).strip() == "0"
    finally:
        run(checkout, *command, "down")
    assert (checkout / "metrics/dataset.json").is_file()
    assert strangers_in(checkout) == []
