import json

import pytest

from iquitos_citylearn.study.summary import summary


def policy(share, service=1.0, kind="rule", **more):
    return {"kind": kind, "captured_share_co2": {"mean": share}, "ev_service": {"mean": service}} | more


def comparison(**policies):
    policies["optimum"] |= {"replayed_steps": {"headline": 8760}}
    gain = {"co2_kg": 50.0, "co2_kg_share": 0.05, "cost_usd": 10.0, "cost_usd_share": 0.05}
    return json.dumps({"to_gain": gain, "policies": policies})


def test_the_cases_stand_beside_the_default_run(tmp_path):
    (tmp_path / "metrics").mkdir()
    (tmp_path / "results" / "weak").mkdir(parents=True)
    (tmp_path / "results" / "front").mkdir()  # a part without a comparison
    whole = comparison(required=policy(0.9), optimum=policy(1.0, kind="optimum"), sac=policy(0.5, 0.95, "agent"))
    (tmp_path / "metrics" / "comparison.json").write_text(whole)
    (tmp_path / "results" / "weak" / "comparison.json").write_text(
        comparison(optimum=policy(1.0, kind="optimum"), level=policy(0.25))
    )
    lines = summary(tmp_path / "metrics", tmp_path / "results").splitlines()
    first = lines.index("| policy | default | weak |")
    assert lines[first + 2 : first + 6] == [
        "| required | 90.0 % | - |",
        "| optimum | 100.0 % | 100.0 % |",
        "| sac | 50.0 %* | - |",
        "| level | - | 25.0 % |",
    ]
    assert any(
        line.startswith("**weak**: Between charging at once to full and perfect foresight lie") for line in lines
    )


@pytest.mark.parametrize(("share", "said"), [(0.95, "In default (CO2, sac)."), (0.9, "Nowhere: in no case")])
def test_the_cases_in_which_an_agent_takes_more_than_the_best_rule_are_named(tmp_path, share, said):
    agent = policy(share, kind="agent")
    whole = comparison(idle=policy(-3.0, 0.0), required=policy(0.9), optimum=policy(1.0, kind="optimum"), sac=agent)
    (tmp_path / "comparison.json").write_text(whole)
    lines = summary(tmp_path, tmp_path / "none").splitlines()
    assert any(line.startswith(said) for line in lines)
    assert f"| default | CO2 | required | 90.0 % | sac | {100 * share:.1f} % |" in lines
