import ast
import re
import sys

import pytest
import yaml

from iquitos_citylearn.tools.import_graph import (
    ALGORITHMS,
    NUMERICS,
    PACKAGE_FILE,
    PINS,
    ROOT,
    SOURCES,
    imported_names,
    is_module,
    modules_used_by,
    packages_imported_by,
    pins_used_by,
)
from iquitos_citylearn.tools.pipeline_file import entry_of, stages, write_pipeline
from iquitos_citylearn.tools.rooms import room_of, rooms
from tests.pipelines import copy_sources, set_params

PIPELINE = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
STAGES = dict(stages(PIPELINE))
MODULES = sorted(path.relative_to(ROOT) for path in (ROOT / SOURCES).rglob("*.py"))
ARITHMETIC = SOURCES / "runtime" / "arithmetic.py"

# What each room may import, besides itself. The rooms are in the order of the floors: none imports one further down.
ROOMS = {
    "runtime": set(),
    "params": {"runtime"},
    "site": {"runtime", "params"},
    "env": {"runtime", "params", "site"},
    "policies": {"params", "site", "env"},
    "optimum": {"params", "site", "env", "policies"},
    "agents": {"runtime", "params", "env"},
    "training": {"runtime", "params", "site", "env", "policies", "agents"},
    "evaluation": {"runtime", "params", "site", "env", "policies", "optimum", "agents", "training"},
    "comparison": {"runtime", "site", "policies", "evaluation"},
    "status": {"runtime", "training", "evaluation"},
    "tools": {"runtime", "params", "policies", "evaluation", "comparison"},
    "stages": {"runtime", "params", "site", "env", "policies", "agents", "training", "evaluation", "comparison"},
    "study": {"runtime", "params", "site", "env", "policies", "optimum", "evaluation", "comparison", "tools", "stages"},
    "cli": {"runtime", "params", "policies", "training", "status", "stages"},
}

MAY_IMPORT = {
    "citylearn": r"env/(lean_)?citylearn\.py|site/citylearn_files/\w+\.py",
    "stable_baselines3": r"(agents|training)/\w+\.py|env/vec_env\.py",
}


@pytest.mark.parametrize("name", STAGES)
def test_stage_depends_on_the_modules_it_imports(name):
    declared = {dependency for dependency in STAGES[name]["deps"] if is_module(dependency)}
    assert declared == {module.as_posix() for module in modules_used_by(entry_of(name))}, "run `make deps`"


@pytest.mark.parametrize("name", [name for name in STAGES if ALGORITHMS not in modules_used_by(entry_of(name))])
def test_stage_names_the_versions_it_uses(name):
    """Those that load an algorithm follow the params as well: the checks of a release look at these."""
    declared = next(item[NUMERICS] for item in STAGES[name]["params"] if NUMERICS in item)
    assert set(declared) == pins_used_by(entry_of(name)), "run `make deps`"


def test_every_pin_is_known_to_the_graph():
    pins = yaml.safe_load((ROOT / NUMERICS).read_text(encoding="utf-8"))
    assert set().union(*PINS.values()) == set(pins)


def test_what_follows_from_params_and_imports_is_written_once(tmp_path):
    copy_sources(tmp_path)
    assert not write_pipeline(tmp_path)
    set_params(tmp_path, "site: {bess: {dispatch: agent}}")
    assert write_pipeline(tmp_path)
    assert not write_pipeline(tmp_path)


def test_rooms_are_those_of_the_package():
    assert {room_of(module) for module in MODULES} - {"__init__"} == set(ROOMS)


def test_no_room_may_import_one_further_down():
    floors = list(ROOMS)
    assert all(may <= set(floors[: floors.index(name)]) for name, may in ROOMS.items())


def test_a_room_imports_what_it_may_and_no_more():
    assert rooms() == ROOMS


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_only_its_own_modules_know_a_package(package):
    users = {module.relative_to(SOURCES).as_posix() for module in MODULES if package in packages_imported_by(module)}
    assert {user for user in users if not re.fullmatch(MAY_IMPORT[package], user)} == set()


FOLDER_FILES = [module for module in MODULES if module.name == "__init__.py" and module != PACKAGE_FILE]


@pytest.mark.parametrize("module", FOLDER_FILES, ids=str)
def test_package_files_hold_only_a_docstring(module):
    body = ast.parse((ROOT / module).read_text(encoding="utf-8")).body
    assert [type(node) for node in body] == [ast.Expr]


def test_the_package_sets_the_switches_before_all_else():
    assert imported_names(PACKAGE_FILE) == {
        "iquitos_citylearn.runtime.arithmetic",
        "iquitos_citylearn.runtime.arithmetic.choose_arithmetic",
    }
    assert packages_imported_by(ARITHMETIC) <= sys.stdlib_module_names
