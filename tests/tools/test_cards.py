"""The cards' figures are those of the committed metrics."""

import json
import shutil
from pathlib import Path

import pytest

from iquitos_citylearn.runtime.artifacts import ArtifactError
from iquitos_citylearn.tools.cards import CASES, data_figures, model_figures
from iquitos_citylearn.tools.markdown import with_block

ROOT = Path(__file__).resolve().parents[2]


def test_the_model_card_shows_the_committed_results(params):
    card = (ROOT / "docs" / "model_card.md").read_text(encoding="utf-8")
    assert with_block(card, "results", model_figures(ROOT, params)) == card, "run `make readme`"


def test_the_data_card_shows_the_committed_data_set():
    card = (ROOT / "docs" / "data_card.md").read_text(encoding="utf-8")
    assert with_block(card, "results", data_figures(ROOT)) == card, "run `make readme`"


def test_other_results_give_other_figures(params, tmp_path):
    for folder in ("metrics", "study/results"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    file = tmp_path / "metrics" / "comparison.json"
    content = json.loads(file.read_text())
    content["policies"]["ppo"]["captured_share_co2"]["mean"] = 0.1234
    file.write_text(json.dumps(content))
    assert "| ppo | 12.3% |" in model_figures(tmp_path, params)


@pytest.mark.parametrize("case", CASES)
def test_a_case_that_is_not_there_is_named(params, tmp_path, case):
    for folder in ("metrics", "study/results"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    (tmp_path / "study" / "results" / case / "comparison.json").unlink()
    with pytest.raises(ArtifactError, match=f"{case}/comparison.json: cannot be read"):
        model_figures(tmp_path, params)
