"""The figures of the cards follow from results (`tests/delivery/test_committed.py` holds the committed cards)."""

import json
import shutil
from pathlib import Path

import pytest

from iquitos_citylearn.runtime.artifacts import ArtifactError
from iquitos_citylearn.tools.cards import CASES, model_figures

ROOT = Path(__file__).resolve().parents[2]


def test_other_results_give_other_figures(params, tmp_path):
    for folder in ("metrics", "study/results"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    file = tmp_path / "metrics" / "comparison.json"
    content = json.loads(file.read_text())
    content["policies"]["ppo"]["captured_share_co2"]["mean"] = 0.1234
    del content["policies"]["a2c"]["captured_share_co2"]  # as where nothing is to gain
    file.write_text(json.dumps(content))
    figures = model_figures(tmp_path, params)
    assert "| ppo | 12.3 % |" in figures
    assert "| a2c | - | - | - |" in figures


@pytest.mark.parametrize("case", CASES)
def test_a_case_that_is_not_there_is_named(params, tmp_path, case):
    for folder in ("metrics", "study/results"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    (tmp_path / "study" / "results" / case / "comparison.json").unlink()
    with pytest.raises(ArtifactError, match=f"{case}/comparison.json: cannot be read"):
        model_figures(tmp_path, params)
