"""The README's figures are those of the committed metrics."""

from pathlib import Path

import pytest

from iquitos_citylearn.comparison.text import comparison_text
from iquitos_citylearn.runtime.artifacts import read_json
from iquitos_citylearn.tools.readme import BEGIN, END, with_results

README = Path("README.md")


def test_readme_shows_the_committed_comparison() -> None:
    results = Path("metrics/comparison.md").read_text(encoding="utf-8")
    text = README.read_text(encoding="utf-8")
    assert with_results(text, results) == text, "run `make readme`"


def test_comparison_text_is_made_from_the_comparison_metrics() -> None:
    comparison = read_json(Path("metrics/comparison.json"))
    assert comparison_text(comparison) == Path("metrics/comparison.md").read_text(encoding="utf-8")


def test_results_replace_what_stands_between_the_markers() -> None:
    assert with_results(f"a\n{BEGIN}old\n{END}b\n", "new\n") == f"a\n{BEGIN}new\n{END}b\n"


@pytest.mark.parametrize("text", ["", BEGIN, END + BEGIN, BEGIN + END + BEGIN + END])
def test_a_readme_without_its_markers_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="README needs one"):
        with_results(text, "new\n")
