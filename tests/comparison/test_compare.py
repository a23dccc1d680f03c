import json

import pytest

from iquitos_citylearn.comparison.compare import compare, read_present, read_results
from iquitos_citylearn.comparison.seed_statistics import Resampling
from iquitos_citylearn.comparison.text import comparison_text, verdict
from iquitos_citylearn.evaluation.key_figures import COMPARED
from iquitos_citylearn.evaluation.results import text_file
from iquitos_citylearn.policies.register import REGISTER, Kind
from iquitos_citylearn.runtime.artifacts import ArtifactError, write_json

RESAMPLING = Resampling(n_resamples=200, confidence_level=0.95, seed=0)
YEARS = (2023, 101)


def run(co2_kg, year=2023, seed=None, total=-1.0, **others):
    figures = dict.fromkeys((name for name in COMPARED if name != "reward.total"), 1.0)
    share = (1000.0 - co2_kg) / 50.0
    shares = {"captured_share_co2": share, "captured_share_cost": share}
    named = {} if seed is None else {"seed": seed}
    figures |= named | {"year": year, "co2_kg": co2_kg, "cost_usd": 2 * co2_kg} | shares
    return (
        figures
        | {"adjusted": {"co2_kg": co2_kg, "cost_usd": 2 * co2_kg}, "reward": {"co2": 0.0, "total": total}}
        | others
    )


def result(name, kind, *runs, status="complete", **extra):
    certification = {"headline": {"n_steps": 8760}, "sampled": {"n_steps": 672}}
    return (
        {"status": status, "policy": name, "kind": kind}
        | runs[0]
        | extra
        | {"certification": certification, "runs": list(runs)}
    )


def rule(name, co2_kg):
    kind = "optimum" if name == "optimum" else "rule"
    return result(name, kind, *(run(co2_kg, year) for year in YEARS))


def agent(name, *co2_kg, **extra):
    runs = [run(value, year, seed) for seed, value in enumerate(co2_kg) for year in YEARS]
    figures = {"captured_share_co2": 0.25, "ev_service": 1.0}
    return result(
        name,
        "agent",
        *runs,
        untrained=figures,
        best_constant={"action": 0.5} | figures,
        best_constant_cost={"action": 0.5, "captured_share_cost": 0.125},
        training_years=figures,
        **extra,
    )


def write_results(folder):
    """Write a complete result of every policy that is compared."""
    names = [entry.name for entry in REGISTER if not entry.needs_dispatched_bess]
    for number, name in enumerate([*names, "sac", "ppo", "a2c"]):
        content = rule(name, 950.0 + number) if name in names else agent(name, 950.0 + number)
        write_json(folder / f"result_{name.upper()}.json", content)


@pytest.fixture
def results():
    return {
        "uncontrolled": rule("uncontrolled", 1000.0),
        "required": rule("required", 950.0),
        "optimum": rule("optimum", 950.0),
        "sac": agent("sac", 960.0, 940.0, 980.0),
        "ppo": agent("ppo", 970.0, 930.0, 962.0),
    }


def policies(results):
    return compare(results, RESAMPLING)["policies"]


def test_means_and_spread_over_seeds(results):
    compared = policies(results)
    assert list(compared) == ["uncontrolled", "required", "optimum", "sac", "ppo"]
    assert (compared["sac"]["n_seeds"], compared["sac"]["n_years"]) == (3, 2)
    # 960, 940, 980: mean 960, sample deviation sqrt((0 + 400 + 400) / 2) = 20.
    co2 = compared["sac"]["co2_kg"]
    assert (co2["mean"], co2["std"], co2["min"], co2["max"]) == (960.0, 20.0, 940.0, 980.0)
    assert 940.0 <= co2["ci_low"] < 960.0 < co2["ci_high"] <= 980.0
    assert (compared["required"]["n_seeds"], "ci_low" in compared["required"]["co2_kg"]) == (1, False)


def test_differences_of_means_to_uncontrolled_and_to_sac(results):
    compared = policies(results)
    assert compared["sac"]["minus_uncontrolled"]["co2_kg"] == -40.0
    assert compared["sac"]["minus_uncontrolled"]["cost_usd"] == -80.0
    assert compared["ppo"]["minus_sac"]["co2_kg"] == -6.0
    assert compared["uncontrolled"]["minus_sac"]["co2_kg"] == 40.0
    assert "minus_uncontrolled" not in compared["uncontrolled"]
    assert "minus_sac" not in compared["sac"]


def test_improvement_over_rules_and_over_agents_of_the_same_seeds(results):
    compared = policies(results)
    assert compared["sac"]["improvement_over"]["uncontrolled"]["mean"] == 1.0
    assert compared["sac"]["improvement_over"]["required"]["mean"] == pytest.approx(1 / 3)
    # 970 against 960, 930 against 940, 962 against 980.
    assert compared["ppo"]["improvement_over"]["sac"]["mean"] == pytest.approx(2 / 3)
    assert "sac" not in compared["required"]["improvement_over"], (
        "a policy without seeds has no pairs with one of three"
    )


def test_what_there_is_to_gain(results):
    assert compare(results, RESAMPLING)["to_gain"] == {
        "co2_kg": 50.0, "co2_kg_share": 0.05, "cost_usd": 100.0, "cost_usd_share": 0.05,
    }  # fmt: skip
    del results["optimum"]
    comparison = compare(results, RESAMPLING)
    assert comparison["to_gain"] == {}
    assert "is not known" in verdict(comparison)


def test_learning_is_credited_with_what_lies_above_the_best_constant(results):
    compared = policies(results)
    assert compared["sac"]["captured_share_co2"]["mean"] == pytest.approx(0.8)
    assert compared["sac"]["learning_gain_co2"] == pytest.approx(0.55)
    assert "learning_gain_co2" not in compared["required"]
    gained = compared["sac"]["captured_share_cost"]["mean"] - 0.125
    assert compared["sac"]["learning_gain_cost"] == pytest.approx(gained)


def test_a_figure_that_some_run_lacks_is_left_out(results):
    for name in ("ev_service", "captured_share_co2"):
        results["ppo"]["runs"][1][name] = None
    comparison = compare(results, RESAMPLING)
    ppo = comparison["policies"]["ppo"]
    assert "ev_service" not in ppo
    assert "learning_gain_co2" not in ppo
    rows = [line for line in comparison_text(comparison).splitlines() if line.startswith("| ppo")]
    assert all("| - |" in row for row in rows[1:])


def leaves(node):
    if not isinstance(node, dict):
        return [node]
    return [leaf for value in node.values() for leaf in leaves(value)]


def test_nothing_but_numbers_in_nested_objects_with_names_for_dvc(results, tmp_path):
    comparison = compare(results, RESAMPLING)
    kinds = [figures["kind"] for figures in comparison["policies"].values()]
    assert set(kinds) <= set(Kind)
    assert all(type(leaf) in (int, float) or leaf in kinds for leaf in leaves(comparison))
    write_json(tmp_path / "comparison.json", comparison)
    assert json.loads((tmp_path / "comparison.json").read_text()) == comparison
    for figures in comparison["policies"].values():
        assert all("." not in name for name in figures), "DVC separates names by dots"


def test_every_policy_and_figure_has_its_place(results):
    for figures in policies(results).values():
        assert {name.replace(".", "_") for name in COMPARED} <= set(figures)


def test_missing_and_incomplete_results_are_refused_and_each_is_named(results, tmp_path):
    for name, content in results.items():
        write_json(tmp_path / f"result_{name.upper()}.json", content)
    files = [tmp_path / f"result_{name.upper()}.json" for name in results]
    assert read_results(files) == results

    write_json(files[0], results["uncontrolled"] | {"status": "not certified"})
    files[1].unlink()
    files[2].write_text("{")
    write_json(files[3], {"status": "complete", "policy": "sac", "kind": "agent"})
    with pytest.raises(ArtifactError, match="nothing was compared") as error:
        read_results(files)
    lines = str(error.value).splitlines()[1:]
    assert len(lines) == 4
    assert lines[0].endswith("result_UNCONTROLLED.json: status is 'not certified', not 'complete'")
    assert "result_REQUIRED.json: cannot be read: No such file" in lines[1]
    assert "result_OPTIMUM.json: is not JSON" in lines[2]
    assert lines[3].endswith("result_SAC.json: has no runs")


def test_a_result_that_could_not_be_written_is_not_read_from_an_earlier_file(results, tmp_path):
    file = tmp_path / "result_SAC.json"
    write_json(file, results["sac"])
    text_file(file).write_text("status: text")
    with pytest.raises(ArtifactError, match=r"result_SAC\.json: could not be written; .*result_SAC\.txt says why"):
        read_results([file])


def test_what_is_present_is_told_from_what_is_not(results, tmp_path):
    write_json(tmp_path / "result_SAC.json", results["sac"])
    write_json(tmp_path / "result_PPO.json", results["ppo"] | {"status": "minimal"})
    names = ("UNCONTROLLED", "SAC", "PPO")
    present, problems = read_present(tmp_path / f"result_{name}.json" for name in names)
    assert present == {"sac": results["sac"]}
    assert list(problems) == ["result_UNCONTROLLED.json", "result_PPO.json"]
    assert problems["result_PPO.json"].endswith("status is 'minimal', not 'complete'")


def test_the_tables_by_hand(results):
    results["required"]["certification"] = {"sampled": {"n_steps": 672}}
    text = comparison_text(compare(results, RESAMPLING))
    headline, years, learning = (
        [line for line in part.splitlines() if line.startswith("|")] for part in text.split("**")[2::2]
    )
    for rows in (headline, years, learning):
        assert len({row.count("|") for row in rows}) == 1
    assert [row.split("|")[1].strip() for row in headline[2:]] == [
        "uncontrolled", "optimum", "sac (3 seeds)", "ppo (3 seeds)",
    ], "a policy whose headline year was not replayed is not shown beside those"  # fmt: skip
    # 960 kg are 0.96 t, twice that the cost in kUSD; 40 of 50 kg captured.
    assert headline[4].startswith("| sac (3 seeds) | 0.96 | 1.920 |")
    assert headline[4].endswith("| 80.0 % |")
    assert [row.split("|")[-2].strip() for row in years[2:5]] == ["8,760 + 672", "672", "8,760 + 672"]
    assert learning[2] == "| sac (3 seeds) | 80.0 % | 25.0 % | 25.0 % | 25.0 % | +55.0 points | +67.5 points |"


def test_the_verdict_says_how_little_there_is_and_who_takes_it(results):
    text = verdict(compare(results, RESAMPLING))
    assert text.startswith(
        "Between charging at once to full and perfect foresight lie 50 kg of CO2 (5.0 % of the site's)"
    )
    assert "100 USD a year. That is little. The rule `required`" in text
    assert "takes 100.0 % of it without any learning." in text
    assert text.endswith("No agent takes more than the best rule, required: the best, ppo, takes 92.0 %.")


def test_the_verdict_names_an_agent_that_beats_every_rule_but_only_if_it_serves_the_cars(results):
    results["ppo"] = agent("ppo", 945.0, 945.0, 945.0)
    text = verdict(compare(results, RESAMPLING))
    assert text.endswith("The best agent, ppo, takes 110.0 %: 10.0 points more than the best rule, required.")
    for each in results["ppo"]["runs"]:
        each["ev_service"] = 0.98
    assert verdict(compare(results, RESAMPLING)).endswith("the best, sac, takes 80.0 %.")


def test_where_cost_is_not_co2_in_other_units_both_are_judged(results):
    for name in results:
        for each in results[name]["runs"]:
            each["captured_share_cost"] = 0.9 if name == "sac" else 0.5
    text = verdict(compare(results, RESAMPLING))
    assert "No agent takes more of the CO2 than the best rule, required: the best, ppo, takes 92.0 %." in text
    assert text.endswith(
        "The best agent, sac, takes 90.0 % of the cost: 40.0 points more than the best rule, uncontrolled."
    )


def test_under_a_limit_that_starves_cars_the_optimum_says_who_serves(results):
    for content in results.values():
        for each in content["runs"]:
            each["ev_service"] = 0.9
    assert "the best rule, required" in verdict(compare(results, RESAMPLING))


def test_what_cars_lacked_is_part_of_what_there_is_to_gain(results):
    for each in results["uncontrolled"]["runs"]:
        each["adjusted"] = {"co2_kg": 1100.0, "cost_usd": 2200.0}
    assert compare(results, RESAMPLING)["to_gain"]["co2_kg"] == 150.0


def test_the_text_says_the_level_of_the_intervals(results):
    comparison = compare(results, Resampling(n_resamples=200, confidence_level=0.999, seed=0))
    assert comparison["resampling"] == {"n_resamples": 200, "confidence_level": 0.999, "seed": 0}
    assert "in brackets the 99.9 % interval of a bootstrap" in comparison_text(comparison)


def test_figures_of_a_part_of_the_year_are_not_called_those_of_a_year(results):
    for content in results.values():
        content["certification"]["headline"]["n_steps"] = 168
    assert "100 USD in 168 hours of a year." in verdict(compare(results, RESAMPLING))


def test_without_a_replayed_headline_year_there_is_no_table_of_it(results):
    present = {"required": results["required"] | {"certification": {"sampled": {"n_steps": 672}}}}
    assert "headline" not in comparison_text(compare(present, RESAMPLING)).partition("(CityLearn")[0]


def test_much_to_gain_is_not_called_little(results):
    results["optimum"] = rule("optimum", 500.0)
    assert "That is little" not in verdict(compare(results, RESAMPLING))
