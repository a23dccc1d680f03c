"""Tables of a comparison in Markdown: their columns, and how each cell is printed."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from iquitos_citylearn.evaluation.judged import JUDGED, Judged
from iquitos_citylearn.evaluation.key_figures import KEY_FIGURES, KILOWATTS, NOT_KNOWN, PrintForm, named

POINTS = PrintForm(100.0, "points", 1)
PROBABILITY = PrintForm(1.0, "", 2)
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

Figures = Mapping[str, Any]
Column = tuple[str, Callable[[Figures], str]]


def table(policies: Mapping[str, Figures], columns: Sequence[Column]) -> str:
    """Return a Markdown table, a policy per row."""
    rows = []
    for name, figures in policies.items():
        label = f"{name} ({figures['n_seeds']} seeds)" if figures["n_seeds"] > 1 else name
        rows.append((label, *(cell(figures) for _, cell in columns)))
    return rows_table(("policy", *(title for title, _ in columns)), rows)


def rows_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table whose columns but the first are to the right."""
    lines = ["| " + " | ".join(header) + " |", "|---|" + "---:|" * (len(header) - 1)]
    return "\n".join(lines + ["| " + " | ".join(cells) + " |" for cells in rows])


def _headline(name: str) -> Column:
    figure = KEY_FIGURES[name]
    return figure.heading, lambda figures: figure.print_form.cell(figures["headline"].get(figure.flat_name))


def over_years(name: str, decimals: int | None = None, *, interval: bool = True) -> Column:
    """Return the column of a key figure's mean over seeds and years, with its interval unless that is not wanted."""
    figure = KEY_FIGURES[name]
    form = figure.print_form if decimals is None else figure.print_form.with_decimals(decimals)

    def cell(figures: Figures) -> str:
        summary = figures.get(figure.flat_name)
        if summary is None:
            return NOT_KNOWN
        ends = (summary["ci_low"], summary["ci_high"]) if interval and "ci_low" in summary else None
        return form.cell(summary["mean"], ends if ends and ends[0] != ends[1] else None)

    return figure.heading, cell


def month_peak(month: int) -> Column:
    """Return the column of a month's highest import, January being 0."""

    def cell(figures: Figures) -> str:
        peaks = figures["month_peaks_kw"]
        return KILOWATTS.cell(peaks[month] if month < len(peaks) else None)

    return MONTHS[month], cell


def _of_summary(heading: str, name: str, key: str) -> Column:
    figure = KEY_FIGURES[name]
    return heading, lambda figures: figure.text(figures[figure.flat_name][key] if figure.flat_name in figures else None)


def _beside(heading: str, part: str, name: str) -> Column:
    figure = KEY_FIGURES[name]
    return heading, lambda figures: figure.text(figures[part].get(name))


def _better_than(name: str, judged: Judged) -> Column:
    def cell(figures: Figures) -> str:
        return PROBABILITY.number(figures["improvement_over"][judged.name].get(name, {}).get("mean"))

    return f"P(less {judged.label} than `{name}`)", cell


def _replayed(figures: Figures) -> str:
    return " + ".join(f"{steps:,}" for steps in figures["replayed_steps"].values())


def _learning_gain(heading: str, name: str) -> Column:
    return heading, lambda figures: POINTS.text(figures.get(name), signed=True)


HEADLINE_COLUMNS = tuple(
    _headline(name)
    for name in named(
        "co2_kg", "cost_usd", "peak_import_kw", "ev_charging_kwh", "ev_service", "ev_unmet_kwh", "captured_share_co2"
    )
)
COST_COLUMN_OF_HEADLINE = _headline(JUDGED["cost"].share)
COST_COLUMN_OF_LEARNING = _learning_gain("the same for cost", JUDGED["cost"].learning_gain)


def judged_columns(judged: Judged) -> tuple[Column, ...]:
    """Return the columns of one objective: captured shares, and how often a policy does better than a rule."""
    return (
        over_years(judged.share),
        _of_summary("interquartile mean", judged.share, "iqm"),
        _of_summary("worst seed", judged.share, "min"),
        _better_than("required", judged),
        _better_than("uncontrolled", judged),
    )


def years_columns(judged: Judged, *, differ: bool) -> tuple[Column, ...]:
    """Return the columns of an objective, the captured cost unless it has a table of its own, and the service."""
    return (
        *judged_columns(judged),
        *(() if differ else (over_years(JUDGED["cost"].share),)),
        over_years("ev_service"),
        over_years("ev_unmet_kwh", decimals=0),
        ("replayed [h]", _replayed),
    )


def learning_columns(judged: Judged, *, imitating: bool) -> tuple[Column, ...]:
    """Return the columns that say what learning added to the captured share; one more where some agent imitates."""
    return (
        _of_summary("trained", judged.share, "mean"),
        _beside("on training years", "training_years", judged.share),
        _beside("untrained", "untrained", judged.share),
        *((_beside("imitated", "imitated", judged.share),) if imitating else ()),
        _beside("best constant", judged.best_constant, judged.share),
        _learning_gain("added by learning", judged.learning_gain),
    )
