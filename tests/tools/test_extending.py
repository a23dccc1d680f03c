"""The recipes of docs/extending.md, done to a copy of the project with the code blocks of the page."""

import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import yaml

from iquitos_citylearn.env.year import Years
from iquitos_citylearn.policies import register, rules
from iquitos_citylearn.policies.register import PolicyEntry
from iquitos_citylearn.policies.rollout import trace_year
from tests.defaults import PARAMS, ROOT
from tests.small import small_site, year_of

PACKAGE = Path("src", "iquitos_citylearn")
COPIED = ("dvc.yaml", "docs", "src", "requirements/numerics.yaml")
PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
BLOCKS = [
    textwrap.dedent(block).strip("\n") for block in re.findall(r"```(?:python|yaml)\n(.*?)\n *```", PAGE, re.DOTALL)
]


def block(start):
    """Return the one code block of the page that begins so."""
    (found,) = [text for text in BLOCKS if text.lstrip().startswith(start)]
    return found


def put_before(file, anchor, text, indent=0):
    """Put a code block before the only line of a file that begins so."""
    content = file.read_text(encoding="utf-8")
    assert content.count(f"\n{anchor}") == 1, anchor
    file.write_text(
        content.replace(f"\n{anchor}", f"\n{textwrap.indent(text, indent * ' ')}\n{anchor}"), encoding="utf-8"
    )


def python(folder, *arguments):
    """Run Python on the copy's sources in the copy's folder; return what it prints."""
    environment = {**os.environ, "PYTHONPATH": str(folder / "src"), "COLUMNS": "200"}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def extended(tmp_path_factory):
    """Return a copy of the project in which every recipe has been followed."""
    folder = tmp_path_factory.mktemp("extended")
    (folder / "requirements").mkdir()
    for name in COPIED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copyfile
        copy(ROOT / name, folder / name)
    shutil.copyfile(PARAMS, folder / "params.yaml")
    package = folder / PACKAGE
    put_before(package / "policies" / "rules.py", "def solar_following(", block("def only_solar") + "\n\n")
    put_before(
        package / "policies" / "register.py", '    PolicyEntry(\n        name="level', block("PolicyEntry(") + ",", 4
    )
    put_before(package / "evaluation" / "key_figures.py", '    KeyFigure("evening_', block("KeyFigure(") + ",", 4)
    put_before(package / "evaluation" / "kpis.py", '        "evening_peak_import_kw":', block('"import_hours"'), 8)
    put_before(package / "params.py", "    dc_losses:", block("age_losses"), 4)
    put_before(folder / "params.yaml", "    # [I] Nominal efficiency of the inverters", block("# [I] Share of DC"), 4)
    (package / "stages" / "peak_days.py").write_text(block('"""Stage peak_days') + "\n", encoding="utf-8")
    put_before(package / "cli.py", "@app.command()\ndef status(", block('@app.command("peak-days")') + "\n\n")
    put_before(folder / "dvc.yaml", "  references:\n    desc", block("peak_days:") + "\n", 2)
    put_before(folder / "params.yaml", "  sac:", block("tqc:"), 2)
    python(folder, "-m", "iquitos_citylearn.tools.pipeline_file")
    return folder


def stages_of(folder):
    return yaml.safe_load((folder / "dvc.yaml").read_text(encoding="utf-8"))["stages"]


def run_iquitos(folder, command):
    return python(folder, "-c", "from iquitos_citylearn.cli import main; main()", command)


def test_the_rule_and_the_agent_are_policies_with_stages(extended):
    listed = run_iquitos(extended, "policies")
    assert "from the forecast PV surplus alone" in listed
    assert re.search(r"tqc +agent +three_segment", listed)
    stages = stages_of(extended)
    assert {"metrics/result_ONLY_SOLAR.json": {"cache": False}} in stages["rules"]["metrics"]
    assert {"metrics/result_ONLY_SOLAR.json", "metrics/result_TQC.json"} <= set(stages["compare"]["deps"])
    assert stages["train_tqc"]["cmd"] == "iquitos train tqc"


def test_the_rule_charges_from_the_surplus_alone(params):
    namespace = dict(vars(rules))
    exec(block("def only_solar"), namespace)
    entry = eval(block("PolicyEntry("), {**vars(register), "PolicyEntry": PolicyEntry})
    year = year_of(
        small_site(5, n_chargers=3), params, entry.action_mapping, forecast_error_std=0.0, energy_horizon_hours=100.0
    )
    rollout, _ = trace_year(namespace["only_solar"](Years(year.setting, (year,)), params, 0), year)
    surplus_kwh = np.maximum(year.site.pv_kwh[1:] - year.site.load_kwh[:-1], 0.0)
    assert rollout.ev_kwh[1:].sum() > 0.0
    assert (rollout.ev_kwh[1:] <= surplus_kwh * (1.0 + 1e-5) + 1e-5).all()


def test_the_key_figure_is_computed_at_its_place(extended):
    script = """
import numpy as np, pandas as pd
from iquitos_citylearn.evaluation.key_figures import KEY_FIGURES, SUMMED
from iquitos_citylearn.evaluation.kpis import SessionOutcomes, key_figures
columns = [*SUMMED, *(name for name in KEY_FIGURES if name.startswith("reward."))]
series = pd.DataFrame({name.replace(".", "_"): [1.0, 0.0, 2.0] for name in columns})
nothing = np.zeros(0)
figures = key_figures(series, SessionOutcomes(nothing, nothing.astype(int), nothing, nothing, nothing), np.zeros(3))
names = list(figures)
print(figures["import_hours"], names[names.index("import_hours") - 1], KEY_FIGURES["import_hours"].unit)
"""
    assert python(extended, "-c", script) == "2 peak_import_kw h\n"


def test_the_pages_show_key_figure_and_parameter(extended):
    python(extended, "-m", "iquitos_citylearn.tools.reference_pages")
    docs = {name: (extended / "docs" / name).read_text(encoding="utf-8") for name in ("params.md", "results.md")}
    assert "| `age_losses` | number | - | >= 0, < 1 | `0.0` | [I] Share of DC power lost to age. |" in docs["params.md"]
    assert "Hours in which the site imports. |" in docs["results.md"]


def test_the_stage_runs_and_names_its_modules(extended):
    stage = stages_of(extended)["peak_days"]
    assert f"{PACKAGE.as_posix()}/stages/peak_days.py" in stage["deps"]
    assert "pandas" in stage["params"][0]["requirements/numerics.yaml"]
    series = "timestamp,grid_import_kwh\n2023-01-01 10:00,1.0\n2023-01-02 10:00,3.0\n2023-01-03 10:00,2.0\n"
    (extended / "metrics" / "simulations").mkdir(parents=True)
    for name in ("UNCONTROLLED", "REQUIRED", "MPC", "OPTIMUM"):
        (extended / "metrics" / "simulations" / f"timeseries_{name}.csv").write_text(series, encoding="utf-8")
    run_iquitos(extended, "peak-days")
    written = (extended / "metrics" / "peak_days.json").read_text(encoding="utf-8")
    assert yaml.safe_load(written) == dict.fromkeys(("uncontrolled", "required", "mpc", "optimum"), "2023-01-02")
