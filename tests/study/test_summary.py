import json

import pytest

from iquitos_citylearn.runtime.artifacts import ArtifactError
from iquitos_citylearn.study.summary import summary
from tests.comparison.test_compare import RESAMPLING, agent, compare, rule


def serving(share, result):
    for run in result["runs"]:
        run["ev_service"] = share
    return result


def comparison(**results):
    return json.dumps(compare(results, RESAMPLING))


def test_the_cases_stand_beside_the_default_run(tmp_path):
    (tmp_path / "metrics").mkdir()
    (tmp_path / "results" / "weak").mkdir(parents=True)
    (tmp_path / "results" / "front").mkdir()  # a part without a comparison
    optimum, sac = rule("optimum", 950.0), serving(0.95, agent("sac", 975.0))
    whole = comparison(required=rule("required", 955.0), optimum=optimum, sac=sac)
    (tmp_path / "metrics" / "comparison.json").write_text(whole)
    (tmp_path / "results" / "weak" / "comparison.json").write_text(
        comparison(optimum=optimum, level=rule("level", 987.5))
    )
    lines = summary(tmp_path / "metrics", tmp_path / "results").splitlines()
    first = lines.index("| policy | default | weak |")
    assert lines[first + 2 : first + 6] == [
        "| required | 90.0 % | - |",
        "| optimum | 100.0 % | 100.0 % |",
        "| sac | 50.0 %* | - |",
        "| level | - | 25.0 % |",
    ]
    said = lines[lines.index("**weak**") + 2 :]
    assert [line.partition(" saves ")[0] for line in said] == ["- CO2: perfect foresight", "- Cost: perfect foresight"]


def test_a_comparison_of_another_version_is_named(tmp_path):
    old = {"to_gain": {"co2_kg": 50.0, "co2_kg_share": 0.05}, "policies": {}}
    (tmp_path / "comparison.json").write_text(json.dumps(old))
    with pytest.raises(ArtifactError, match=r"comparison\.json: is no comparison of this version; compare again"):
        summary(tmp_path, tmp_path / "none")


def test_a_case_of_an_earlier_version_is_named_and_left_out(tmp_path):
    whole = comparison(required=rule("required", 955.0), optimum=rule("optimum", 950.0), sac=agent("sac", 975.0))
    (tmp_path / "comparison.json").write_text(whole)
    (tmp_path / "results" / "raw").mkdir(parents=True)
    old = {"to_gain": {"co2_kg": 50.0, "co2_kg_share": 0.05}, "policies": {}}
    (tmp_path / "results" / "raw" / "comparison.json").write_text(json.dumps(old))
    text = summary(tmp_path, tmp_path / "results")
    assert "`raw` was made by an earlier version and is not shown; `make study PART=raw` makes it anew." in text
    assert "| policy | default |" in text


@pytest.mark.parametrize(("share", "said"), [(0.95, "In default (CO2, sac), default (cost, sac)."), (0.9, "Nowhere: ")])
def test_the_cases_in_which_an_agent_takes_more_than_what_does_not_learn_are_named(tmp_path, share, said):
    whole = comparison(
        idle=serving(0.0, rule("idle", 1150.0)),
        required=rule("required", 955.0),
        optimum=rule("optimum", 950.0),
        sac=agent("sac", 1000.0 - 50.0 * share),
    )
    (tmp_path / "comparison.json").write_text(whole)
    lines = summary(tmp_path, tmp_path / "none").splitlines()
    assert any(line.startswith(said) for line in lines)
    assert f"| default | CO2 | required | 90.0 % | - | - | sac | {100 * share:.1f} % |" in lines
