"""The pages that no hand writes, and whether they name all that they should."""

import pytest
import yaml

from iquitos_citylearn.params import Location
from iquitos_citylearn.tools.params_page import params_page
from tests.defaults import PARAMS
from tests.json_keys import keys_of

PAGE = params_page(PARAMS.read_text(encoding="utf-8"))


def leaves(node, path=()):
    if not isinstance(node, dict):
        return [".".join(path)]
    return [leaf for key, value in node.items() for leaf in leaves(value, (*path, key))]


def test_every_key_of_the_params_is_on_the_page_once():
    keys = leaves(yaml.safe_load(PARAMS.read_text(encoding="utf-8")))
    shown, section = [], ""
    for line in PAGE.splitlines():
        if line.startswith("##"):
            section = line.split()[1]
        elif line.startswith("| `"):
            shown.append(f"{section}.{line.split('`')[1]}".removeprefix("."))
    assert [key for key in keys if shown.count(key) != 1] == []


def test_a_row_has_the_limits_of_the_model_and_the_default_and_comment_of_the_file():
    text = PARAMS.read_text(encoding="utf-8").replace("confidence_level: 0.95", "# How sure.\n  confidence_level: 0.9")
    assert "| `confidence_level` | number | - | > 0, < 1 | `0.9` | How sure. |" in params_page(text)
    low, high = Location.model_fields["latitude_deg"].metadata
    assert f"| `latitude_deg` | number | deg | {low.ge} to {high.le} | `-3.75` |" in PAGE
    assert "| `annual_energy_kwh` | number or null | kWh | > 0 |" in PAGE
    assert "| `staff_stay_hours` | list of whole numbers | h | 2 values, each >= 1 | `[6, 9]` |" in PAGE


def test_a_section_that_is_null_is_a_row():
    content = yaml.safe_load(PARAMS.read_text(encoding="utf-8"))
    content["site"]["bess"] = None
    assert "| `bess` | keys or null | - | - | `null` |" in params_page(yaml.safe_dump(content, sort_keys=False))


def test_a_key_that_the_models_have_not_is_refused():
    with pytest.raises(KeyError, match="nonsense"):
        params_page("nonsense: 1\n")


def test_keys_of_lists_and_objects():
    assert keys_of({"a": {"b": 1}, "c": [{"d": 2}, {"e": 3}], "f": ["x"], "g": {}}) == {"a.b", "c[].d", "c[].e", "f[]"}
