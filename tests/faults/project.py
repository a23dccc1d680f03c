"""Folders in which real processes train PPO, or evaluate a rule."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict

import yaml

from iquitos_citylearn.params import load_params
from iquitos_citylearn.runtime.artifacts import write_json
from iquitos_citylearn.site.citylearn_files.writer import write_dataset
from iquitos_citylearn.site.draw_files import write_draw
from iquitos_citylearn.site.expectations import fit_expectations, write_expectations
from tests.defaults import PARAMS
from tests.evaluation.test_candidates import REFERENCE
from tests.small import small_site, years_of
from tests.trainings import tiny_params

HEADLINE_SEED = 2023

PROGRAM = (sys.executable, "-c", "from iquitos_citylearn.cli import main; main()")
TRAIN = (*PROGRAM, "train", "ppo", "--checkpoint-period", "0.1")
POLL_S = 0.02
LIMIT_S = 1200
LONGER = {"total_timesteps": 4800, "checkpoint_every": 200}
"""A training of a few seconds."""
PIPELINE = {
    "train_ppo": {"cmd": "iquitos train ppo", "deps": ["data/training"], "outs": ["models/ppo"]},
    "evaluate@ppo": {"cmd": "iquitos evaluate", "deps": ["models/ppo"], "metrics": ["metrics/result_PPO.json"]},
}


class Project:
    """A folder in which PPO is trained by the command line."""

    def __init__(self, folder, params, training_folder, **changes):
        self.folder = folder
        content = tiny_params(params, "ppo", **changes).model_dump(mode="json")
        (folder / "params.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
        (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": PIPELINE}), encoding="utf-8")
        (folder / "data").mkdir()
        (folder / "data" / "training").symlink_to(training_folder)
        self.checkpoints = folder / "checkpoints" / "ppo"
        self.log = folder / "log.txt"
        self.processes = []

    def start(self, *options, **how):
        with self.log.open("ab") as log:
            how = {"stdout": log, "stderr": log} | how
            process = subprocess.Popen((*TRAIN, *options), cwd=self.folder, start_new_session=True, **how)
        self.processes.append(process)
        return process

    def run(self, *arguments, **how):
        """Run another command of the program to its end."""
        how = {"encoding": "utf-8"} | how
        return subprocess.run((*PROGRAM, *arguments), cwd=self.folder, check=False, capture_output=True, **how)

    def train(self, *options):
        """Train to the end; return the exit status and what was logged."""
        before = len(self.said())
        status = self.start(*options).wait(LIMIT_S)
        return status, self.said()[before:]

    def said(self):
        return self.log.read_text(encoding="utf-8") if self.log.exists() else ""

    def newest_step(self):
        steps = sorted(self.checkpoints.glob("seed_0/step_*.sealed"))
        return int(steps[-1].stem.removeprefix("step_")) if steps else 0

    def status(self):
        return json.loads((self.folder / "runs" / "train_ppo" / "seed_0.json").read_text())

    def wait_for_checkpoint(self, process):
        before = self.newest_step()
        while self.newest_step() <= before:
            assert process.poll() is None, self.said()
            time.sleep(POLL_S)

    def end(self):
        for process in self.processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def prepare_evaluation(folder):
    """Write what `iquitos evaluate` reads: params, three years, expectations, and what there is to gain."""
    shutil.copyfile(PARAMS, folder / "params.yaml")
    site = small_site(4)
    write_dataset(site, folder / "data" / "site")
    seeds = load_params(folder / "params.yaml").site.draws.evaluation_seeds
    for seed, other in zip(seeds, years_of(site, len(seeds)), strict=True):
        write_draw(other, folder / "data" / "evaluation" / str(seed))
    write_expectations(folder / "data" / "expectations.json", fit_expectations([site]))
    years = {seed: asdict(REFERENCE) for seed in (HEADLINE_SEED, *seeds)}
    write_json(folder / "metrics" / "references.json", {"years": years})
