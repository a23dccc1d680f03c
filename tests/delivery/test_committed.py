"""The last commit is whole: README, study, params and pipeline say the same as its results. Part of a release's checks.

The work tree has no say here: its user may have changed params and made results of their own.
"""

import io
import subprocess
import tarfile

import pytest

from iquitos_citylearn.comparison.gains import is_of_this_version
from iquitos_citylearn.comparison.text import comparison_text
from iquitos_citylearn.params import load_params
from iquitos_citylearn.runtime.artifacts import read_json
from iquitos_citylearn.study.summary import COMPARISON, RESULTS, summary
from iquitos_citylearn.tools import file_keys
from iquitos_citylearn.tools.cards import data_figures, model_figures
from iquitos_citylearn.tools.markdown import with_block
from iquitos_citylearn.tools.picture import PICTURE, result_picture
from iquitos_citylearn.tools.pipeline_file import write_pipeline
from iquitos_citylearn.tools.readme import COMPARISON as DEFAULT
from iquitos_citylearn.tools.readme import DEMAND_CHARGE, readme_with_results
from iquitos_citylearn.tools.reference_pages import pages
from tests.defaults import ROOT
from tests.json_keys import not_among

pytestmark = pytest.mark.release

KEYS = {
    "metrics/result_*.json": file_keys.RESULT,
    "metrics/comparison.json": file_keys.COMPARISON,
    "study/results/*/comparison.json": file_keys.COMPARISON,
    "metrics/references.json": file_keys.REFERENCES,
    "study/results/*/references.json": file_keys.REFERENCES,
    "metrics/dataset.json": file_keys.DATASET,
    "metrics/environment.json": file_keys.ENVIRONMENT,
    "study/results/*/environment.json": file_keys.ENVIRONMENT,
    "study/results/*/run.json": file_keys.RUN,
}


@pytest.fixture(scope="module")
def committed(tmp_path_factory):
    """The files of the last commit but the remote's."""
    command = ["git", "archive", "HEAD", ":!release"]
    archive = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if archive.returncode != 0:
        pytest.skip(f"NOT TESTED: no commit to look at: {archive.stderr.decode(errors='replace').strip()}")
    folder = tmp_path_factory.mktemp("committed")
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(folder, filter="data")
    return folder


def test_readme_and_its_picture_show_the_comparison(committed):
    text = (committed / "README.md").read_text(encoding="utf-8")
    comparison, demand_charge = (read_json(committed / file) for file in (DEFAULT, DEMAND_CHARGE))
    results = (committed / "metrics" / "comparison.md").read_text(encoding="utf-8")
    assert readme_with_results(text, comparison, results, demand_charge) == text, "run `make readme`"
    assert result_picture(comparison) == (committed / PICTURE).read_text(encoding="utf-8"), "run `make readme`"


def test_the_cards_show_the_results(committed):
    params = load_params(committed / "params.yaml")
    for name, figures in (("model_card", model_figures(committed, params)), ("data_card", data_figures(committed))):
        card = (committed / "docs" / f"{name}.md").read_text(encoding="utf-8")
        assert with_block(card, "results", figures) == card, "run `make readme`"


def test_the_comparisons_text_is_made_from_its_figures(committed):
    comparison = read_json(committed / "metrics" / COMPARISON)
    assert comparison_text(comparison) == (committed / "metrics" / "comparison.md").read_text(encoding="utf-8")


def test_the_studys_summary_is_made_from_the_comparisons(committed):
    results = committed / RESULTS
    assert (results / "README.md").read_text() == summary(committed / "metrics", results), "run `make readme`"


def is_shown(file):
    """Return whether a result is of this version: the summary of the study names cases of an earlier one."""
    return file.name != COMPARISON or is_of_this_version(read_json(file))


def test_the_text_of_each_case_is_made_from_its_comparison_and_says_when_it_was_run(committed):
    cases = [file.parent for file in (committed / RESULTS).glob(f"*/{COMPARISON}") if is_shown(file)]
    assert cases
    for case in cases:
        assert comparison_text(read_json(case / COMPARISON)) == (case / "comparison.md").read_text()
        assert read_json(case / "run.json")["command"] == f"make study PART={case.name}"


def test_the_pipeline_follows_from_params_and_imports(committed):
    assert not write_pipeline(committed), "run `make deps`"


def test_the_pages_of_docs_are_what_the_program_writes(committed, monkeypatch):
    monkeypatch.chdir(committed)
    for path, text in pages().items():
        assert path.read_text(encoding="utf-8") == text, f"{path}: run `make pages`"


@pytest.mark.parametrize("pattern", KEYS)
def test_every_key_of_a_result_is_on_the_page(committed, pattern):
    files = [file for file in sorted(committed.glob(pattern)) if is_shown(file)]
    assert files
    assert [(file, unknown) for file in files if (unknown := not_among(KEYS[pattern], read_json(file)))] == []


def test_tests_start_from_the_committed_params(committed):
    copied, shipped = committed / "tests" / "params.yaml", committed / "params.yaml"
    assert copied.read_bytes() == shipped.read_bytes(), "copy params.yaml to tests/params.yaml"
