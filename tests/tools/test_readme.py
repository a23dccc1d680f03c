"""The README's figures and picture are those of the committed metrics, and its example runs."""

import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest

from iquitos_citylearn.runtime.artifacts import read_json
from iquitos_citylearn.tools.markdown import with_block
from iquitos_citylearn.tools.picture import CAPTURED, result_picture
from iquitos_citylearn.tools.readme import COMPARISON, README, answer, tables
from tests.defaults import PARAMS

BEGIN, END = "<!-- results: begin -->\n", "<!-- results: end -->\n"


@pytest.fixture
def comparison():
    return read_json(COMPARISON)


def test_tables_are_all_but_the_verdict():
    assert tables("Verdict. Two.\n\n**Table**\n\n| a |\n") == "**Table**\n\n| a |\n"


def captured(kind, mean, **more):
    return {"kind": kind, CAPTURED: {"mean": mean}, "ev_service": {"mean": 1.0}} | more


def small_comparison(agent):
    policies = {
        "uncontrolled": captured("rule", 0.0),
        "required": captured("rule", 0.5),
        "idle": captured("rule", -2.0, ev_service={"mean": 0.0}),
        "optimum": captured("optimum", 1.0),
        "sac": captured("agent", agent),
    }
    gain = {"co2_kg": 1000.0, "co2_kg_share": 0.1, "cost_usd": 200.0, "cost_usd_share": 0.1}
    return {"to_gain": gain, "policies": policies}


@pytest.mark.parametrize(
    ("agent", "word", "gap"),
    [
        (0.6, "Yes", "60.0 %: 10.0 points more"),
        (0.5, "No", "50.0 %: the same"),
        (0.2, "No", "20.0 %: 30.0 points less"),
    ],
)
def test_answer_says_whether_the_best_agent_is_ahead(agent, word, gap):
    said = answer(small_comparison(agent))
    assert said.startswith(f"**{word}.** ")
    assert "`required` (charge at once, but only what the driver asked for) saves 50.0 %" in said
    assert said.endswith(f"sac, saves {gap}.\n")


def test_no_answer_without_an_agent():
    comparison = small_comparison(0.5)
    del comparison["policies"]["sac"]
    with pytest.raises(ValueError, match="README needs results of"):
        answer(comparison)


def test_picture_has_a_bar_for_each_policy_that_saves_something():
    picture = ET.fromstring(result_picture(small_comparison(0.25)))
    bars = [float(rect.get("width")) for rect in picture.findall("{*}rect")[1:]]
    texts = " ".join(text.text for text in picture.findall("{*}text"))
    assert bars == [468.0, 234.0, 117.0]  # optimum, required 0.5, sac 0.25
    assert "required (rule)" in texts
    assert "Worse than that: idle." in texts


def test_results_replace_what_is_between_the_markers():
    assert with_block(f"a\n{BEGIN}old\n{END}b\n", "results", "new\n") == f"a\n{BEGIN}new\n{END}b\n"
    other = "<!-- x: begin -->\n<!-- x: end -->\n"
    assert with_block(other + BEGIN + END, "x", "new\n") == f"<!-- x: begin -->\nnew\n<!-- x: end -->\n{BEGIN}{END}"


@pytest.mark.parametrize("text", ["", BEGIN, END + BEGIN, BEGIN + END + BEGIN + END])
def test_a_document_without_its_markers_is_refused(text):
    with pytest.raises(ValueError, match="document needs one"):
        with_block(text, "results", "new\n")


def test_the_example_runs(tmp_path):
    shutil.copyfile(PARAMS, tmp_path / "params.yaml")
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)
    done = subprocess.run([sys.executable, "-c", example], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert re.fullmatch(r"1\d\d,\d{3} kg of CO2, 100\.0% of the cars served\n", done.stdout)
