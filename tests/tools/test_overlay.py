import pytest
import yaml

from iquitos_citylearn.params import ParamsError, load_params
from iquitos_citylearn.tools.overlay import write_overlaid
from tests.defaults import PARAMS, ROOT


def overlay(folder, text):
    path = folder / "overlay.yaml"
    path.write_text(text, encoding="utf-8")
    target = folder / "params.yaml"
    write_overlaid(PARAMS, path, target)
    return target


def test_only_the_named_keys_differ(tmp_path):
    target = overlay(tmp_path, "site: {calendar: {n_days: 14}}\ntrain: {ppo: {seeds: [4, 2]}}\n")
    expected = yaml.safe_load((PARAMS).read_text(encoding="utf-8"))
    expected["site"]["calendar"]["n_days"] = 14
    expected["train"]["ppo"]["seeds"] = [4, 2]
    assert yaml.safe_load(target.read_text(encoding="utf-8")) == expected


@pytest.mark.parametrize("file", [ROOT / "params/smoke.yaml", *sorted((ROOT / "study/params").glob("*.yaml"))])
def test_committed_overlays_are_valid(tmp_path, file):
    target = tmp_path / "params.yaml"
    write_overlaid(PARAMS, file, target)
    assert load_params(target) != load_params(PARAMS)


def test_null_takes_the_place_of_a_mapping(tmp_path):
    assert load_params(overlay(tmp_path, "site: {bess: null}\n")).site.bess is None


def test_an_agent_can_be_added(tmp_path):
    agent = yaml.safe_load(PARAMS.read_text(encoding="utf-8"))["train"]["sac"]
    added = load_params(overlay(tmp_path, yaml.safe_dump({"train": {"again": agent}}))).train.agents
    assert list(added) == ["sac", "ppo", "a2c", "again"]
    assert added["again"] == added["sac"]


def test_params_of_the_dispatched_battery_are_valid(tmp_path):
    target = tmp_path / "params.yaml"
    write_overlaid(PARAMS, ROOT / "study/params/demand_charge.yaml", target)
    assert load_params(target).site.bess.dispatch == "agent"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("site: {calendar: {n_dayz: 14}}", r"overlay\.yaml: site: calendar: has \['n_dayz'\], where .*'n_days'"),
        ("site: {calendar: 14}", r"overlay\.yaml: site: calendar: is 14, where params\.yaml has the keys"),
        ("site: {calendar: null}", r"site\.calendar is None: Input should be a valid"),
        ("site: {calendar: {n_days: 0}}", r"params\.yaml with .*overlay\.yaml: 1 problem.*\n.*n_days is 0"),
        ("train: {sacc: {seeds: [1]}}", r"train\.sacc\.algorithm: Field required"),
        ("train: {profil: raw}", r"overlay\.yaml: train: has \['profil'\], where .*'profile'"),
        ("site: {tqc: {}}", r"overlay\.yaml: site: has \['tqc'\]"),
        ("site: [", r"overlay\.yaml: is not YAML"),
    ],
)
def test_a_wrong_overlay_is_refused_before_anything_is_written(tmp_path, text, message):
    with pytest.raises(ParamsError, match=message):
        overlay(tmp_path, text)
    assert not (tmp_path / "params.yaml").exists()
