"""The README's figures and picture are those of the committed metrics, and its example runs."""

import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest

from iquitos_citylearn.tools.markdown import with_block
from iquitos_citylearn.tools.picture import result_picture
from iquitos_citylearn.tools.readme import README, answer, tables
from tests.comparison.test_compare import RESAMPLING, compare, rule
from tests.comparison.test_compare import agent as trained
from tests.defaults import PARAMS

BEGIN, END = "<!-- results: begin -->\n", "<!-- results: end -->\n"


def test_tables_are_all_but_the_verdict():
    assert tables("Verdict. Two.\n\n**Table**\n\n| a |\n") == "**Table**\n\n| a |\n"


def results_at(agent, sac_service=1.0):
    """Return results in which `required` captures half of 50 kg and sac, three seeds, a share."""
    results = {
        "uncontrolled": rule("uncontrolled", 1000.0),
        "required": rule("required", 975.0),
        "idle": rule("idle", 1100.0),
        "optimum": rule("optimum", 950.0),
        "sac": trained("sac", *(3 * [1000.0 - 50.0 * agent])),
    }
    for name, service in (("idle", 0.0), ("sac", sac_service)):
        for run in results[name]["runs"]:
            run["ev_service"] = service
    return results


def small_comparison(agent, **changes):
    return compare(results_at(agent, **changes), RESAMPLING)


@pytest.mark.parametrize(
    ("agent", "word", "gap"),
    [
        (0.6, "yes", "10.0 points more than"),
        (0.5, "no", "as much as"),
        (0.2, "no", "30.0 points less than"),
    ],
)
def test_answer_says_for_both_sites_whether_the_best_agent_is_ahead(agent, word, gap):
    here, there = answer(small_comparison(agent), small_comparison(0.1)).split("\n\n**")
    assert here.startswith("**The default site, on a flat tariff.** CO2: ")
    for label in ("CO2", "Cost"):
        assert f"{label}: **{word}**, the best agent, sac, takes {gap} the best without learning." in here
    assert there.startswith("The same site under a demand charge, its battery dispatched by the policy.** CO2: **no**")


def test_answer_has_the_best_of_each_kind_in_kg_and_usd():
    results = results_at(0.2)
    results["mpc"] = rule("mpc", 960.0) | {"kind": "controller"}
    here, _ = answer(compare(results, RESAMPLING), small_comparison(0.1)).split("\n\n**")
    assert here.splitlines()[2:] == [
        "| saved a year against charging at once | CO2 | cost |",
        "|---|---|---|",
        "| perfect foresight | 50 kg, 5.0 % of all CO2 | 100 USD, 5.0 % of all cost |",
        "| best rule | `required`: 25 kg, 50.0 % of that | `required`: 50 USD, 50.0 % of that |",
        "| best controller | `mpc`: 40 kg, 80.0 % of that | `mpc`: 80 USD, 80.0 % of that |",
        "| best agent | `sac`: 10 kg, 20.0 % of that | `sac`: 20 USD, 20.0 % of that |",
    ]
    assert "best controller" not in answer(small_comparison(0.2), small_comparison(0.1))


def test_no_answer_without_an_agent_that_serves_the_cars():
    with pytest.raises(ValueError, match="README needs an agent"):
        answer(small_comparison(0.5, sac_service=0.9), small_comparison(0.5))


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
