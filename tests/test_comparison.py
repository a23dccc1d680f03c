import json

import pytest

from iquitos_citylearn.artifacts import ArtifactError, write_json
from iquitos_citylearn.comparison import KEY_FIGURES, compare, comparison_table, read_present, read_results, verdict
from iquitos_citylearn.results import text_file


def run(co2_kg, total=-1.0, **others):
    figures = dict.fromkeys((name for name in KEY_FIGURES if name != "reward.total"), 1.0)
    return figures | {"co2_kg": co2_kg, "cost_usd": 2 * co2_kg, "reward": {"co2": 0.0, "total": total}} | others


def result(agent, *runs, status="complete"):
    return {"status": status, "agent": agent, "runs": list(runs)}


@pytest.fixture
def results():
    return {
        "UNCONTROLLED": result("UNCONTROLLED", run(1000.0, -9.0)),
        "REQUIRED": result("REQUIRED", run(950.0, -5.0)),
        "SAC": result("SAC", run(960.0, -6.0), run(940.0, -4.0), run(980.0, -8.0)),
        "PPO": result("PPO", run(970.0, -7.0), run(930.0, -3.0)),
    }


def test_means_and_spread_over_seeds(results):
    comparison = compare(results)
    assert list(comparison) == ["uncontrolled", "required", "sac", "ppo"]
    assert comparison["sac"]["n_seeds"] == 3
    # 960, 940, 980: mean 960, sample deviation sqrt((0 + 400 + 400) / 2) = 20.
    assert comparison["sac"]["co2_kg"] == {"mean": 960.0, "std": 20.0, "min": 940.0, "max": 980.0}
    assert comparison["uncontrolled"]["co2_kg"] == {"mean": 1000.0, "std": 0.0, "min": 1000.0, "max": 1000.0}
    assert comparison["ppo"]["reward_total"]["mean"] == -5.0


def test_differences_of_means_to_uncontrolled_and_to_sac(results):
    comparison = compare(results)
    assert comparison["sac"]["minus_uncontrolled"]["co2_kg"] == -40.0
    assert comparison["sac"]["minus_uncontrolled"]["cost_usd"] == -80.0
    assert comparison["ppo"]["minus_sac"] == {
        "co2_kg": -10.0, "cost_usd": -20.0, "peak_import_kw": 0.0, "ev_unmet_kwh": 0.0, "reward_total": 1.0,
    }  # fmt: skip
    assert comparison["uncontrolled"]["minus_sac"]["co2_kg"] == 40.0
    assert "minus_uncontrolled" not in comparison["uncontrolled"]
    assert "minus_sac" not in comparison["sac"]


def test_a_figure_that_some_seed_lacks_is_left_out(results):
    results["PPO"]["runs"][1]["ev_service"] = None
    results["PPO"]["runs"][1]["self_consumption"] = None
    comparison = compare(results)
    assert "ev_service" not in comparison["ppo"]
    assert "ev_service" in comparison["sac"]
    (row,) = [line for line in comparison_table(comparison).splitlines() if line.startswith("| ppo")]
    assert "| - |" in row


def leaves(node):
    if not isinstance(node, dict):
        return [node]
    return [leaf for value in node.values() for leaf in leaves(value)]


def test_nothing_but_numbers_in_nested_objects_with_names_for_dvc(results, tmp_path):
    comparison = compare(results)
    assert all(type(leaf) in (int, float) for leaf in leaves(comparison))
    write_json(tmp_path / "comparison.json", comparison)
    assert json.loads((tmp_path / "comparison.json").read_text()) == comparison
    for figures in comparison.values():
        assert all("." not in name for name in figures), "DVC separates names by dots"


def test_every_policy_and_figure_has_its_place(results):
    comparison = compare(results)
    for figures in comparison.values():
        assert {name.replace(".", "_") for name in KEY_FIGURES} <= set(figures)


def test_missing_and_incomplete_results_are_refused_and_each_is_named(results, tmp_path):
    for name, content in results.items():
        write_json(tmp_path / f"result_{name}.json", content)
    files = [tmp_path / f"result_{name}.json" for name in results]
    assert read_results(files) == results

    write_json(files[0], results["UNCONTROLLED"] | {"status": "not certified"})
    files[1].unlink()
    files[2].write_text("{")
    write_json(files[3], {"status": "complete", "agent": "PPO"})
    with pytest.raises(ArtifactError, match="nothing was compared") as error:
        read_results(files)
    lines = str(error.value).splitlines()[1:]
    assert len(lines) == 4
    assert lines[0].endswith("result_UNCONTROLLED.json: status is 'not certified', not 'complete'")
    assert "result_REQUIRED.json: cannot be read: No such file" in lines[1]
    assert "result_SAC.json: is not JSON" in lines[2]
    assert lines[3].endswith("result_PPO.json: has no agent or no runs")


def test_a_result_that_could_not_be_written_is_not_read_from_an_earlier_file(results, tmp_path):
    file = tmp_path / "result_SAC.json"
    write_json(file, results["SAC"])
    text_file(file).write_text("status: text")
    with pytest.raises(ArtifactError, match=r"result_SAC\.json: could not be written; .*result_SAC\.txt says why"):
        read_results([file])


def test_what_is_present_is_told_from_what_is_not(results, tmp_path):
    for name in ("SAC", "PPO"):
        write_json(tmp_path / f"result_{name}.json", results[name])
    write_json(tmp_path / "result_PPO.json", results["PPO"] | {"status": "minimal"})
    present, problems = read_present(tmp_path / f"result_{name}.json" for name in results)
    assert present == {"SAC": results["SAC"]}
    assert list(problems) == ["result_UNCONTROLLED.json", "result_REQUIRED.json", "result_PPO.json"]
    assert problems["result_PPO.json"].endswith("status is 'minimal', not 'complete'")


def test_the_table_by_hand(results):
    table = comparison_table(compare(results)).splitlines()
    assert len({line.count("|") for line in table}) == 1
    assert table[2].startswith("| uncontrolled | 1.00 | 2.000 |")
    assert table[2].endswith("| - |")
    # 960 kg are 0.96 t, the deviation 0.02 t; cost twice that in kUSD.
    assert table[4].startswith("| sac (3 seeds) | 0.96 +- 0.02 | 1.920 +- 0.040 |")
    assert table[4].endswith("| -40 |")


def test_the_verdict_names_the_best_and_how_little_it_is(results):
    text = verdict(compare(results))
    # PPO's and the rule's means are equal, 950 kg: the first of them, the rule, 50 of 1,000 kg.
    start = "Least CO2 of the policies that serve the cars: "
    assert text.startswith(f"{start}required, 50 kg and 100 USD a year below charging at once to full (5.0 %")
    assert "That is little, and the rule `required`" in text
    results["PPO"] = result("PPO", run(500.0))
    text = verdict(compare(results))
    assert text.startswith(f"{start}ppo, 500 kg")
    assert "That is little" not in text
    results["PPO"] = result("PPO", run(500.0, ev_service=0.98))
    assert verdict(compare(results)).startswith(f"{start}required"), "who leaves cars without energy saves nothing"
