"""Which stages a change makes stale: one change at a time, as DVC sees it in an up-to-date project.

The project's outputs are placeholders that `dvc commit` has recorded as results, so nothing needs to run. A stage is
stale when something of its own changed; those after it run if its results then differ.
"""

import contextlib
from pathlib import Path

import pytest
import yaml
from dvc.repo import Repo

from iquitos_citylearn.tools.import_graph import SOURCES, modules_used_by
from iquitos_citylearn.tools.pipeline_file import entry_of
from tests.defaults import PARAMS, ROOT
from tests.pipelines import copy_project

pytestmark = pytest.mark.xdist_group("staleness")

DATASET, REFERENCES, COMPARE = {"build_dataset"}, {"references"}, {"compare"}
BASELINES = {f"baseline@{name}" for name in ("uncontrolled", "required", "mpc", "optimum")}
RULES = {"rules"}
EVALUATIONS = {f"evaluate@{name}" for name in ("sac", "ppo", "a2c")}
TRAININGS = {f"train_{name}" for name in ("sac", "ppo", "a2c")}
JUDGED = REFERENCES | BASELINES | RULES | EVALUATIONS
SIMULATED = JUDGED | TRAININGS
ALL = DATASET | SIMULATED | COMPARE

VALUES = {
    "arithmetic": ALL,
    "site.charging.energy_requested_kwh_per_day": DATASET,
    "site.pv.annual_energy_kwh": DATASET,
    "site.calendar.year": DATASET | JUDGED,
    "environment.energy_horizon_hours": SIMULATED,
    "environment.level.floor_share": SIMULATED,
    "control.mpc.spread": BASELINES,
    "reward.total_scale": SIMULATED,
    "evaluation.random_seeds": RULES,
    "evaluation.bootstrap_seed": COMPARE,
    "train.sac.total_timesteps": {"train_sac", "evaluate@sac"},
    "train.ppo.kwargs.learning_rate": {"train_ppo", "evaluate@ppo"},
    "train.a2c.seeds": {"train_a2c", "evaluate@a2c"},
    "train.ppo.action_mapping": {"train_ppo", "evaluate@ppo"},
    "site.draws.evaluation_seeds": DATASET | JUDGED,
    "train.profile": TRAININGS | EVALUATIONS,
}
FILES = {
    "data/raw/SOURCES.md": DATASET,
    "data/site/file": DATASET | JUDGED,
    "data/training/file": DATASET | REFERENCES | TRAININGS | EVALUATIONS,
    "data/evaluation/file": DATASET | JUDGED,
    "data/expectations.json": DATASET | JUDGED,
    "models/sac/file": {"train_sac", "evaluate@sac"},
    "metrics/result_PPO.json": {"evaluate@ppo"} | COMPARE,
    "metrics/simulations/timeseries_A2C.csv": {"evaluate@a2c"},
    "requirements/base.lock": set(),
    "requirements/torch-cuda.lock": set(),
    "README.md": set(),
    "Dockerfile": set(),
    "src/iquitos_citylearn/env/reward.py": SIMULATED,
    "src/iquitos_citylearn/site/pv.py": DATASET,
    "src/iquitos_citylearn/comparison/compare.py": COMPARE,
    "src/iquitos_citylearn/cli.py": set(),
}
PINS = {
    "citylearn": BASELINES | RULES | EVALUATIONS | COMPARE,
    "gymnasium": SIMULATED | COMPARE,
    "highspy": JUDGED | COMPARE,
    "llvmlite": SIMULATED | COMPARE,
    "numba": SIMULATED | COMPARE,
    "numpy": ALL,
    "pandas": ALL,
    "pvlib": DATASET | COMPARE,
    "pyarrow": ALL,
    "sb3-contrib": EVALUATIONS | COMPARE,
    "scipy": DATASET | JUDGED | COMPARE,
    "stable-baselines3": EVALUATIONS | TRAININGS | COMPARE,
    "torch": EVALUATIONS | TRAININGS | COMPARE,
}


@pytest.fixture(scope="module")
def repo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("staleness")
    copy_project(folder)
    with contextlib.chdir(folder), Repo() as repo:
        for out in repo.index.outs:
            path = Path(out.fs_path)
            (path.parent if path.suffix else path).mkdir(parents=True, exist_ok=True)
            (path if path.suffix else path / "file").write_text(path.name, encoding="utf-8")
        repo.commit(force=True)
        yield repo


def reasons(repo):
    """Return what DVC finds changed, for each stage that it would run."""
    with repo.lock:
        found = [stage.status() for stage in repo.index.stages]
    return {name: changes for status in found for name, changes in status.items()}


def root_of(repo):
    return Path(repo.root_dir)


@pytest.fixture
def changed(repo):
    """Return a function that changes a file by another function of its text, until the test is over."""
    before = {}

    def change(name, edit):
        path = root_of(repo) / name
        before[path] = path.read_text(encoding="utf-8")
        path.write_text(edit(before[path]), encoding="utf-8")

    yield change
    for path, text in before.items():
        path.write_text(text, encoding="utf-8")


def with_another_value(text, key):
    params = yaml.safe_load(text)
    *parents, last = key.split(".")
    section = params
    for parent in parents:
        section = section[parent]
    section[last] = "another" if section[last] != "another" else "value"
    return yaml.safe_dump(params)


def test_nothing_is_stale_to_begin_with(repo):
    assert reasons(repo) == {}
    assert {stage.addressing for stage in repo.index.stages} == ALL


@pytest.mark.parametrize("key", VALUES)
def test_params(repo, changed, key):
    changed("params.yaml", lambda text: with_another_value(text, key))
    assert set(reasons(repo)) == VALUES[key]


@pytest.mark.parametrize("name", FILES)
def test_files(repo, changed, name):
    changed(name, lambda text: text + "\n")
    assert set(reasons(repo)) == FILES[name]


@pytest.mark.parametrize("pin", PINS)
def test_pins(repo, changed, pin):
    changed("requirements/numerics.yaml", lambda text: with_another_value(text, pin))
    assert set(reasons(repo)) == PINS[pin]


def test_every_pin_and_section_is_in_the_table():
    assert set(PINS) == set(yaml.safe_load((ROOT / "requirements/numerics.yaml").read_text(encoding="utf-8")))
    assert {key.split(".")[0] for key in VALUES} == set(yaml.safe_load(PARAMS.read_text()))


def test_every_module_makes_stale_the_stages_that_import_it(repo, changed):
    """All are changed at once: DVC names for each stage the files that it found changed."""
    modules = [path.relative_to(ROOT).as_posix() for path in sorted((ROOT / SOURCES).rglob("*.py"))]
    for module in modules:
        changed(module, lambda text: text + "\n")
    found_stale = reasons(repo)
    assert set(found_stale) == ALL
    for name, changes in found_stale.items():
        found = {file for change in changes if isinstance(change, dict) for file in change.get("changed deps", {})}
        used = {module.as_posix() for module in modules_used_by(entry_of(name.partition("@")[0]))}
        assert found == used, name
