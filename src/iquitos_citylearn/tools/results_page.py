"""The page of result files: the table of key figures, and every other key with unit and meaning."""

from collections.abc import Sequence

from iquitos_citylearn.evaluation.key_figures import COMPARED, KEY_FIGURES, MEANS, KeyFigure
from iquitos_citylearn.tools.file_keys import COMPARISON, DATASET, ENVIRONMENT, REFERENCES, RESULT, RUN, Key
from iquitos_citylearn.tools.markdown import markdown_table

INTRODUCTION = """# Results

The small JSON files of a run, key by key. A dot leads into a nested object, `[]` into the items of a list; a name in \
angle brackets is any of its kind. Written by `make pages`.

## Key figures

A figure of a policy in a year. *Of the year*: how its hours give it. *Mean*: `mean` in a result holds the mean over \
years and seeds (`<mean figure>` below). *Compared*: a comparison has it over years and seeds (`<compared figure>`, a \
dot in the name becomes an underscore). *Critical*: a result that cannot be written whole keeps it."""
FILES = (
    (
        "metrics/result_&lt;POLICY&gt;.json",
        "A policy: the headline year of the run with the median reward on top, every seed and year in `runs`.",
        RESULT,
    ),
    ("metrics/comparison.json", "All policies over seeds and years. Folders of `study/results` hold one each.",
     COMPARISON),
    ("metrics/references.json", "What there is to gain in every year, and what constant actions gain of it.",
     REFERENCES),
    ("metrics/dataset.json", "What the data set achieved.", DATASET),
    ("metrics/environment.json", "What the run was made with.", ENVIRONMENT),
    ("study/results/&lt;part&gt;/run.json", "When and how a part of the study was made.", RUN),
)  # fmt: skip


def results_page() -> str:
    """Return the page as Markdown."""
    parts = [INTRODUCTION, _figures_table(tuple(KEY_FIGURES.values()))]
    for file, about, keys in FILES:
        parts += [f"## {file}", about, _keys_table(keys)]
    return "\n\n".join(parts) + "\n"


def _figures_table(figures: Sequence[KeyFigure]) -> str:
    header = ("key", "unit", "of the year", "mean", "compared", "critical", "in print", "meaning")
    rows = [
        (
            f"`{figure.name}`",
            figure.unit,
            figure.over_year.value,
            _mark(figure.name in MEANS),
            _mark(figure.name in COMPARED),
            _mark(figure.critical),
            figure.heading if figure.print_form.unit != "%" else f"{figure.heading} [%]",
            figure.meaning + (f" Only {figure.condition}." if figure.condition else ""),
        )
        for figure in figures
    ]
    return markdown_table(header, rows)


def _keys_table(keys: Sequence[Key]) -> str:
    rows = [(f"`{key.name}`", key.shown_unit, key.meaning) for key in keys]
    return markdown_table(("key", "unit", "meaning"), rows)


def _mark(holds: bool) -> str:  # noqa: FBT001 - a cell for each value
    return "yes" if holds else ""
