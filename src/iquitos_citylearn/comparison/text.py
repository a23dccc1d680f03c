"""The comparison for readers: tables in Markdown and a verdict in words."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from iquitos_citylearn.comparison.gains import CONTENDERS, Gain, Verdict, gains_of, optima_of, points_ahead
from iquitos_citylearn.evaluation.judged import JUDGED, Judged
from iquitos_citylearn.evaluation.key_figures import (
    KEY_FIGURES,
    KILOWATTS,
    NOT_KNOWN,
    PARTS_OF_COST,
    PERCENT,
    PrintForm,
    named,
)
from iquitos_citylearn.policies.register import REGISTER, Kind
from iquitos_citylearn.site.clock import HOURS_PER_YEAR

WHOLE = PrintForm(1.0, "", 0)
POINTS = PrintForm(100.0, "points", 1)
SHOWN_POINTS = PrintForm(1.0, "points", 1)
"""Of differences of percentages as they are printed."""
PROBABILITY = PrintForm(1.0, "", 2)
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

Figures = Mapping[str, Any]
Column = tuple[str, Callable[[Figures], str]]


def comparison_text(comparison: Mapping[str, Any]) -> str:
    """Return the tables and the verdict, as `metrics/comparison.md` and the README show them."""
    policies = comparison["policies"]
    replayed = {name: figures for name, figures in policies.items() if "headline" in figures["replayed_steps"]}
    agents = {name: figures for name, figures in policies.items() if figures["kind"] == Kind.AGENT}
    differ = optima_differ(policies)
    parts = [verdict(comparison)]
    if replayed:
        parts += [
            "**The headline year**, every hour replayed in CityLearn (agents: the median seed):",
            table(replayed, HEADLINE_COLUMNS + COST_HEADLINE_COLUMNS if differ else HEADLINE_COLUMNS),
        ]
    parts += [_years_caption(comparison), table(policies, years_columns(JUDGED["co2"], differ=differ))]
    if differ:
        parts += ["**The same for cost**:", table(policies, judged_columns(JUDGED["cost"]))]
    if any(name in figures for figures in policies.values() for name in PARTS_OF_COST):
        parts += _where_the_money_goes(policies)
    if agents:
        parts += [
            "**What the learning added** (captured share of CO2, on the twin): the same network untrained, the best "
            "constant action under the same mapping, chosen in hindsight, and the years trained on beside those not "
            "seen. Credit goes to learning only for what lies above both the untrained network and the constant"
            + (":" if differ else "; for cost, above the constant that costs least."),
            table(agents, learning_columns(JUDGED["co2"]) + (() if differ else LEARNING_COST_COLUMNS)),
        ]
        if differ:
            parts += ["**The same for cost**:", table(agents, learning_columns(JUDGED["cost"]))]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def optima_differ(policies: Mapping[str, Figures]) -> bool:
    """Return whether CO2 and cost have optima of their own among the policies."""
    return len(optima_of(policies)) > 1


def table(policies: Mapping[str, Figures], columns: Sequence[Column]) -> str:
    """Return a Markdown table, a policy per row."""
    header = ("policy", *(title for title, _ in columns))
    lines = ["| " + " | ".join(header) + " |", "|---|" + "---:|" * len(columns)]
    for name, figures in policies.items():
        label = f"{name} ({figures['n_seeds']} seeds)" if figures["n_seeds"] > 1 else name
        lines.append("| " + " | ".join((label, *(cell(figures) for _, cell in columns))) + " |")
    return "\n".join(lines)


def verdict(comparison: Mapping[str, Any]) -> str:
    """Return for each objective, a line each, what there is to gain over charging at once, and who captures it."""
    gains, policies = gains_of(comparison), comparison["policies"]
    if not gains:
        return "What there is to gain is not known: there is no result."
    period = "a year" if comparison["n_steps"] == HOURS_PER_YEAR else f"in {comparison['n_steps']:,} hours of a year"
    return "\n".join(_line(JUDGED[name], gain, policies, period) for name, gain in gains.items())


def _line(judged: Judged, gain: Gain, policies: Mapping[str, Figures], period: str) -> str:
    start = f"- {judged.label[0].upper()}{judged.label[1:]}: "
    if gain.verdict == Verdict.NONE:
        return f"{start}there is nothing to gain. Charging at once to full and perfect foresight differ by rounding."
    text = (
        f"{start}perfect foresight saves {in_units(gain.gain, gain)} {period} ({PERCENT.text(gain.share)}) against "
        "charging at once to full."
    )
    if gain.verdict == Verdict.LITTLE:
        text += " That is little."
    return text + _who_captures_it(judged, gain, policies)


def _who_captures_it(judged: Judged, gain: Gain, policies: Mapping[str, Figures]) -> str:
    """Return sentences on the best policy of each kind, and on what learning added to the best agent."""
    if not gain.best:
        return " No rule, controller or agent serves as many cars as the optimum."
    taken = {
        kind: f"the best {kind}, {policy}{_summary(policy)}, takes {share_taken(policies[policy], judged)}"
        for kind, policy in gain.best.items()
    }
    ahead = points_ahead(gain, policies, judged.share)
    if ahead is not None:
        taken[Kind.AGENT] += f", {gap(ahead)}"
    text = f" Of that, {'; '.join(taken[kind] for kind in CONTENDERS if kind in taken)}."
    learned = policies[gain.best[Kind.AGENT]].get(judged.learning_gain) if Kind.AGENT in gain.best else None
    if learned is None:
        return text
    added = POINTS.text(learned) if POINTS.rounded(learned) > 0.0 else "nothing"
    return text + f" Learning added {added} to what the agent's untrained network or a constant action takes."


def _summary(policy: str) -> str:
    """Return what a policy of the register does, in brackets."""
    return next((f" ({entry.summary})" for entry in REGISTER if entry.name == policy), "")


def in_units(value: float, gain: Gain) -> str:
    """Return an amount of an objective as it is printed, in its unit."""
    return f"{WHOLE.number(value)} {gain.unit}"


def share_taken(figures: Figures, judged: Judged) -> str:
    """Return the mean captured share of a policy as it is printed."""
    return KEY_FIGURES[judged.share].text(figures[judged.share]["mean"])


def gap(points: float) -> str:
    """Return in words by how much the best agent is ahead of what is best without learning."""
    if not SHOWN_POINTS.rounded(points):
        return "as much as the best without learning"
    return f"{SHOWN_POINTS.text(abs(points))} {'more' if points > 0.0 else 'less'} than the best without learning"


def _where_the_money_goes(policies: Mapping[str, Figures]) -> list[str]:
    """Return captions and tables of the parts of the cost, and of the highest import of each month."""
    has = [name for name in PARTS_OF_COST if any(name in figures for figures in policies.values())]
    n_months = max(len(figures["month_peaks_kw"]) for figures in policies.values())
    return [
        "**Where the money goes**, means over seeds and years, as simulated (what cars lacked is not added):",
        table(policies, tuple(_over_years(name, interval=False) for name in (*has, *named("cost_usd")))),
        "**Monthly peaks** [kW], highest import of an hour, means over seeds and years:",
        table(policies, tuple(_month_peak(month) for month in range(n_months))),
    ]


def _years_caption(comparison: Mapping[str, Any]) -> str:
    n_years = max((figures["n_years"] for figures in comparison["policies"].values()), default=0)
    level = f"{100 * comparison['resampling']['confidence_level']:.10g} %"
    return (
        f"**{n_years} years that no agent trained on**, all seeds, on the twin (CityLearn replayed the hours in the "
        "last column: those of the headline year and the first ones of another). *Captured*: share of what there is to "
        "gain, every kWh that a car lacked imported after all; means over seeds and years, in brackets the "
        f"{level} interval of a bootstrap over seeds."
    )


def _headline(name: str) -> Column:
    figure = KEY_FIGURES[name]
    return figure.heading, lambda figures: figure.print_form.cell(figures["headline"].get(figure.flat_name))


def _over_years(name: str, decimals: int | None = None, *, interval: bool = True) -> Column:
    figure = KEY_FIGURES[name]
    form = figure.print_form if decimals is None else figure.print_form.with_decimals(decimals)

    def cell(figures: Figures) -> str:
        summary = figures.get(figure.flat_name)
        if summary is None:
            return NOT_KNOWN
        ends = (summary["ci_low"], summary["ci_high"]) if interval and "ci_low" in summary else None
        return form.cell(summary["mean"], ends if ends and ends[0] != ends[1] else None)

    return figure.heading, cell


def _month_peak(month: int) -> Column:
    def cell(figures: Figures) -> str:
        peaks = figures["month_peaks_kw"]
        return KILOWATTS.cell(peaks[month] if month < len(peaks) else None)

    return MONTHS[month % len(MONTHS)], cell


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


HEADLINE_COLUMNS = (
    _headline("co2_kg"),
    _headline("cost_usd"),
    _headline("peak_import_kw"),
    _headline("ev_charging_kwh"),
    _headline("ev_service"),
    _headline("ev_unmet_kwh"),
    _headline("captured_share_co2"),
)
COST_HEADLINE_COLUMNS = (_headline("captured_share_cost"),)
CAPTURED_COST = (_over_years("captured_share_cost"),)
LEARNING_COST_COLUMNS = (_learning_gain("the same for cost", JUDGED["cost"].learning_gain),)


def judged_columns(judged: Judged) -> tuple[Column, ...]:
    """Return the columns of one objective: captured shares, and how often a policy does better than a rule."""
    return (
        _over_years(judged.share),
        _of_summary("interquartile mean", judged.share, "iqm"),
        _of_summary("worst seed", judged.share, "min"),
        _better_than("required", judged),
        _better_than("uncontrolled", judged),
    )


def years_columns(judged: Judged, *, differ: bool) -> tuple[Column, ...]:
    """Return the columns of an objective, the captured cost unless it has a table of its own, and the service."""
    return (
        *judged_columns(judged),
        *(() if differ else CAPTURED_COST),
        _over_years("ev_service"),
        _over_years("ev_unmet_kwh", decimals=0),
        ("replayed [h]", _replayed),
    )


def learning_columns(judged: Judged) -> tuple[Column, ...]:
    """Return the columns that say what learning added to the captured share of an objective."""
    return (
        _of_summary("trained", judged.share, "mean"),
        _beside("on training years", "training_years", judged.share),
        _beside("untrained", "untrained", judged.share),
        _beside("best constant", judged.best_constant, judged.share),
        _learning_gain("added by learning", judged.learning_gain),
    )
