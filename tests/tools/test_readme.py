import pytest

from iquitos_citylearn.tools.readme import BEGIN, END, with_results


def test_results_replace_what_stands_between_the_markers() -> None:
    assert with_results(f"a\n{BEGIN}old\n{END}b\n", "new\n") == f"a\n{BEGIN}new\n{END}b\n"


@pytest.mark.parametrize("text", ["", BEGIN, END + BEGIN, BEGIN + END + BEGIN + END])
def test_a_readme_without_its_markers_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="README needs one"):
        with_results(text, "new\n")
