import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from stable_baselines3 import A2C

from iquitos_citylearn.site.draw_files import write_draw
from iquitos_citylearn.training.agent import n_parallel
from tests.small import TERMS, small_site, years_of
from tests.test_params import changed

pytestmark = pytest.mark.xdist_group("training")

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = "from iquitos_citylearn.cli import main; main()"
N_STEPS_TRAINED = 216  # 200 asked for, in rollouts of 12 steps on 2 environments


def project(folder, **changes):
    """Make a folder with params and four training years of three chargers, 72 steps each."""
    small = {
        "train__a2c__total_timesteps": 200,
        "train__a2c__n_envs": 2,
        "train__a2c__device": "cpu",
        "train__a2c__seeds": [5, 6],
        "train__a2c__kwargs": {"n_steps": 12, "learning_rate": 1e-3},
    }
    (folder / "params.yaml").write_text(yaml.safe_dump(changed(**(small | changes))), encoding="utf-8")
    for year, site in enumerate(years_of(small_site(4), 4), start=1):
        write_draw(site, folder / "data" / "training" / str(year))
    return folder


def train(folder):
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, "train", "a2c"],
        cwd=folder,
        env=os.environ | {"HOME": str(folder)},
        check=False,
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Return the folder of an agent that the program trained."""
    folder = project(tmp_path_factory.mktemp("project"))
    done = train(folder)
    assert done.returncode == 0, done.stderr
    return folder / "models" / "a2c"


def test_a_model_for_each_seed_the_curve_and_the_record(models):
    names = sorted(path.name for path in models.iterdir())
    assert names == ["a2c_progress.csv", "seed_5.zip", "seed_6.zip", "training.json"]


def test_seeds_differ(models):
    assert (models / "seed_5.zip").read_bytes() != (models / "seed_6.zip").read_bytes()


def test_the_models_open_and_predict(models):
    for seed in (5, 6):
        model = A2C.load(models / f"seed_{seed}.zip", device="cpu")
        assert model.num_timesteps == N_STEPS_TRAINED
        seen = np.zeros((2, *model.observation_space.shape), np.float32)
        assert model.predict(seen, deterministic=True)[0].shape == (2, 3)


def test_the_record_says_what_was_really_trained(models):
    record = json.loads((models / "training.json").read_text())
    # Nine rollouts of 24 steps, an update each.
    expected = {"timesteps": N_STEPS_TRAINED, "updates": 9, "updates_per_timestep": 9 / N_STEPS_TRAINED}
    for seed in (5, 6):
        assert {key: record[f"seed_{seed}"][key] for key in expected} == expected


def test_the_learning_curve_has_steps_and_terms_and_no_clock(models):
    with (models / "a2c_progress.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert set(rows[0]) == {"seed", "timesteps", "reward", *(f"reward_{term}" for term in TERMS)}
    for seed in ("5", "6"):
        steps = [int(row["timesteps"]) for row in rows if row["seed"] == seed]
        assert steps == sorted(set(steps))
        assert steps[-1] == N_STEPS_TRAINED
        assert len(steps) == 108  # every second step is a hundredth: once a step of both environments
    for row in rows:
        assert float(row["reward"]) == pytest.approx(sum(float(row[f"reward_{term}"]) for term in TERMS), abs=1e-9)
    assert any(float(row["reward_ev_satisfaction"]) < 0.0 for row in rows)


def test_a_failing_seed_fails_the_training_and_says_why(tmp_path):
    done = train(project(tmp_path, train__a2c__kwargs={"n_stepz": 12}, train__a2c__seeds=[5]))
    assert done.returncode == 1
    assert "train.a2c.kwargs does not fit A2C" in done.stderr
    assert "n_stepz" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list((tmp_path / "models").rglob("*.zip"))
    assert not (tmp_path / "models" / "a2c" / "training.json").exists()


@pytest.mark.parametrize(
    ("n_jobs", "n_cores", "expected"), [(1, 2, 1), (2, 2, 2), (3, 2, 3), (4, 2, 2), (5, 2, 3), (3, 16, 3), (20, 16, 20)]
)
def test_seeds_share_the_cores_so_that_none_idles_at_the_end(n_jobs, n_cores, expected):
    assert n_parallel(n_jobs, n_cores) == expected
