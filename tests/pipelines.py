"""The pipeline on tiny params in a folder of its own: real DVC, real CityLearn, real agents."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from iquitos_citylearn.tools.overlay import write_overlaid
from iquitos_citylearn.tools.pipeline_file import write_pipeline
from tests.defaults import PARAMS, ROOT

IDENTITY = ("git", "-c", "user.name=test", "-c", "user.email=test@localhost")
COPIED = (
    ".dvc/.gitignore",
    ".dvc/config",
    ".dvcignore",
    ".gitattributes",
    ".gitignore",
    "Dockerfile",
    "Makefile",
    "README.md",
    "data/raw/SOURCES.md",
    "dvc.yaml",
    "params",
    "requirements",
    "src",
    "study",
)
RUNNER = [sys.executable, "-m", "iquitos_citylearn.tools.repro"]

TINY = """
site:
  calendar: {n_days: 1}
  pv: {annual_energy_kwh: null}
  charging:
    energy_requested_kwh_per_day: 12
    fleets: {moto: {n_chargers: 2}, mototaxi: {n_chargers: 2}}
train:
  sac: {total_timesteps: 60, seeds: [0], kwargs: {learning_starts: 20, batch_size: 16}}
  ppo: {total_timesteps: 64, seeds: [0], n_envs: 1, kwargs: {n_steps: 32, batch_size: 16}}
  a2c: {total_timesteps: 96, seeds: [0], n_envs: 4, kwargs: {n_steps: 24}}
"""


def set_params(folder, text):
    overlay = folder / "overlay.yaml"
    overlay.write_text(text, encoding="utf-8")
    write_overlaid(folder / "params.yaml", overlay, folder / "params.yaml")
    overlay.unlink()


def copy_project(folder):
    """Copy what a pipeline needs into a new git repository: the default params, no data of the user's, no results."""
    copy_sources(folder)
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)


def copy_sources(folder):
    """Copy the same into a folder without git, as somebody has it who downloaded an archive."""
    for name in COPIED:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copyfile(ROOT / name, folder / name)
    shutil.copyfile(PARAMS, folder / "params.yaml")
    write_pipeline(folder)  # the user's dvc.yaml follows the user's params


def repro(folder, *arguments):
    """Return the exit status, the stages that ran in their order, and the output."""
    command = [*RUNNER, *arguments]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as run:
        try:
            output, _ = run.communicate()
        except BaseException:
            run.terminate()  # a test that is cut short leaves no pipeline behind
            raise
    return run.returncode, re.findall(r"^Running stage '(.+)':$", output, flags=re.MULTILINE), output


def run(folder, *command):
    """Run a program that must succeed; return what it printed."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # with `iquitos`, for stages
    environment = {**os.environ, "PATH": path}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def dvc(folder, *arguments):
    """Run a DVC command that must succeed; return what it printed."""
    return run(folder, sys.executable, "-m", "dvc", *arguments)


def commit(folder, message):
    """Commit all that git sees in a folder."""
    run(folder, "git", "add", "--all")
    run(folder, *IDENTITY, "commit", "-qm", message)
