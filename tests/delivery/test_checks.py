"""The checks for people outside are those of the project: `.github/workflows/ci.yml` and `.pre-commit-config.yaml`."""

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
HOOKS = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]


def test_the_workflow_runs_what_everybody_runs_with_the_python_of_the_project():
    steps = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))["jobs"]["checks"]["steps"]
    assert [step["run"] for step in steps if "run" in step] == ["bash .ci/run"]
    version = next(step["with"]["python-version"] for step in steps if "python-version" in step.get("with", {}))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["requires-python"].startswith(f">={version},")


def test_hooks_are_the_locked_programs_of_make_lint():
    assert [repository["repo"] for repository in HOOKS] == ["local"]
    programs = {hook["entry"].split()[0] for hook in HOOKS[0]["hooks"]}
    assert programs == {".venv/bin/ruff", ".venv/bin/mypy"}
    lint = re.search(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE).group(1)
    lock = (ROOT / "requirements" / "base.lock").read_text(encoding="utf-8")
    for program in programs:
        name = Path(program).name
        assert f"-m {name}" in lint
        assert re.search(rf"^{name}==", lock, re.MULTILINE)
