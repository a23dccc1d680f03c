"""The dev container in a real engine, brought up by the tool that editors use."""

import json
import os
import subprocess

import pytest

from tests.delivery.engine import DOCKER, OWNER, make_checkout, strangers_in
from tests.delivery.programs import program
from tests.pipelines import run

pytestmark = pytest.mark.image

CLI = "@devcontainers/cli@0.89.0"


@pytest.fixture(scope="module")
def devcontainer(tmp_path_factory):
    """Return where the dev containers' own program is, installed into a folder of the tests."""
    folder = tmp_path_factory.mktemp("cli")
    command = [program("npm"), "install", "--no-audit", "--no-fund", "--prefix", str(folder), CLI]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"NOT TESTED: the dev container; {CLI} can't be installed: {done.stderr.strip()[-200:]}")
    return folder / "node_modules" / ".bin" / "devcontainer"


def test_commands_and_tests_run_in_it_as_the_caller(devcontainer, tmp_path, monkeypatch):
    monkeypatch.setenv("OWNER", OWNER)
    checkout = make_checkout(tmp_path / "checkout")
    file = checkout / ".devcontainer" / "devcontainer.json"
    config = json.loads(file.read_text(encoding="utf-8"))
    config["build"]["options"] = os.environ.get("DOCKER_BUILD_OPTIONS", "").split()
    config["runArgs"] += ["--network", "none"]
    file.write_text(json.dumps(config), encoding="utf-8")
    where = ["--docker-path", DOCKER, "--workspace-folder", str(checkout)]
    started = json.loads(run(checkout, str(devcontainer), "up", *where).splitlines()[-1])
    try:
        assert started["outcome"] == "success"
        inside = [str(devcontainer), "exec", *where]
        assert "build-dataset" in run(checkout, *inside, "iquitos", "--help")
        passed = run(
            checkout, *inside, "python", "-m", "pytest", "-n", "0", "-q", "tests/comparison/test_seed_statistics.py"
        )
        assert " passed" in passed
        run(checkout, *inside, "sh", "-c", "git status --short && dvc config core.analytics && touch made_inside")
    finally:
        image = run(checkout, DOCKER, "inspect", "--format", "{{.Image}}", started["containerId"]).strip()
        run(checkout, DOCKER, "rm", "--force", started["containerId"])
        run(checkout, DOCKER, "rmi", image)
    assert (checkout / "made_inside").is_file()
    assert strangers_in(checkout) == []
