"""The comparison for readers: tables in Markdown and a verdict in words."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from iquitos_citylearn.evaluation.key_figures import KEY_FIGURES, NOT_KNOWN, PERCENT, PrintForm
from iquitos_citylearn.policies.register import Kind
from iquitos_citylearn.site.clock import HOURS_PER_YEAR

LESS_SERVICE = 0.01
"""A policy that serves this share of cars fewer than the optimum is not called best: shares price what cars lack, and
drivers may see it otherwise."""
SAME_SHARE = 1e-4
LITTLE_SHARE = 0.10
"""Below this share of uncontrolled CO2 the report calls the gain small."""
WHOLE = PrintForm(1.0, "", 0)
POINTS = PrintForm(100.0, "points", 1)
PROBABILITY = PrintForm(1.0, "", 2)

Figures = Mapping[str, Any]
Column = tuple[str, Callable[[Figures], str]]


def comparison_text(comparison: Mapping[str, Any]) -> str:
    """Return the tables and the verdict, as `metrics/comparison.md` and the README show them."""
    policies = comparison["policies"]
    replayed = {name: figures for name, figures in policies.items() if "headline" in figures["replayed_steps"]}
    agents = {name: figures for name, figures in policies.items() if figures["kind"] == Kind.AGENT}
    parts = [verdict(comparison)]
    if replayed:
        parts += [
            "**The headline year**, every hour replayed in CityLearn (agents: the median seed):",
            table(replayed, HEADLINE_COLUMNS),
        ]
    parts += [_years_caption(comparison), table(policies, YEARS_COLUMNS)]
    if agents:
        parts += [
            "**What the learning added** (captured share of CO2, on the twin): the same network untrained, the best "
            "constant action under the same mapping, chosen in hindsight, and the years trained on beside those not "
            "seen. Credit goes to learning only for what lies above the constant; for cost, above the constant that "
            "costs least.",
            table(agents, LEARNING_COLUMNS),
        ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def table(policies: Mapping[str, Figures], columns: Sequence[Column]) -> str:
    """Return a Markdown table, a policy per row."""
    header = ("policy", *(title for title, _ in columns))
    lines = ["| " + " | ".join(header) + " |", "|---|" + "---:|" * len(columns)]
    for name, figures in policies.items():
        label = f"{name} ({figures['n_seeds']} seeds)" if figures["n_seeds"] > 1 else name
        lines.append("| " + " | ".join((label, *(cell(figures) for _, cell in columns))) + " |")
    return "\n".join(lines)


def verdict(comparison: Mapping[str, Any]) -> str:
    """Return what there is to gain against charging at once, and who gains it, in a few sentences."""
    gain, policies = comparison["to_gain"], comparison["policies"]
    if not gain:
        return "What there is to gain is not known: charging at once or the optimum is not among the results."
    text = (
        f"Between charging at once to full and perfect foresight lie {WHOLE.number(gain['co2_kg'])} kg of CO2 "
        f"({PERCENT.text(gain['co2_kg_share'])} of the site's) and {WHOLE.number(gain['cost_usd'])} USD "
        f"{_per_year(policies)}."
    )
    if gain["co2_kg_share"] < LITTLE_SHARE:
        text += " That is little."
    if "required" in policies and "captured_share_co2" in policies["required"]:
        share = PERCENT.text(policies["required"]["captured_share_co2"]["mean"])
        text += (
            f" The rule `required` (charge at once, but only what the driver asked for) takes {share} of it "
            "without any learning."
        )
    return text + _who_beats_the_rules(policies)


def _per_year(policies: Mapping[str, Figures]) -> str:
    """Return the time that a year's figures are of; params can keep a part of the year."""
    (optimum, *_) = _optima(policies)
    n_steps = optimum["replayed_steps"]["headline"]
    return "a year" if n_steps == HOURS_PER_YEAR else f"in {n_steps:,} hours of a year"


def _who_beats_the_rules(policies: Mapping[str, Figures]) -> str:
    """Return a sentence for CO2, and one for cost where it is not CO2 in other units."""
    figures = ["captured_share_co2", "captured_share_cost"]
    shares = [[f.get(name, {}).get("mean") for f in policies.values()] for name in figures]
    if all(co2 == cost or (co2 and cost and abs(co2 - cost) < SAME_SHARE) for co2, cost in zip(*shares, strict=True)):
        return _best_agent_and_rule(policies, "captured_share_co2", "")
    of_co2 = _best_agent_and_rule(policies, "captured_share_co2", " of the CO2")
    return of_co2 + _best_agent_and_rule(policies, "captured_share_cost", " of the cost")


def _best_agent_and_rule(policies: Mapping[str, Figures], figure: str, of_what: str) -> str:
    """Return who of the agents and who of the rules captures most, of those that serve the cars."""
    serving = {name: f for name, f in policies.items() if serves(f, policies)}
    best = best_agent_and_rule(serving, figure)
    if best is None:
        return ""
    agent, rule = best
    share = shown_percent(policies[agent], figure)
    taken = KEY_FIGURES[figure].text(policies[agent][figure]["mean"])
    ahead = share - shown_percent(policies[rule], figure)
    if ahead > 0.0:
        return f" The best agent, {agent}, takes {taken}{of_what}: {ahead:.1f} points more than the best rule, {rule}."
    return f" No agent takes more{of_what} than the best rule, {rule}: the best, {agent}, takes {taken}."


def best_agent_and_rule(policies: Mapping[str, Figures], figure: str) -> tuple[str, str] | None:
    """Return the agent and the rule that capture most, of equal ones the first; None unless there are both."""
    agents, rules = (
        [name for name, figures in policies.items() if figures["kind"] == kind and figure in figures]
        for kind in (Kind.AGENT, Kind.RULE)
    )
    if not agents or not rules:
        return None

    def share(name: str) -> float:
        return shown_percent(policies[name], figure)

    return max(agents, key=share), max(rules, key=share)


def shown_percent(figures: Figures, figure: str) -> float:
    """Return a mean share as it is printed, so that what looks equal is equal [%]."""
    return KEY_FIGURES[figure].print_form.rounded(float(figures[figure]["mean"]))


def _years_caption(comparison: Mapping[str, Any]) -> str:
    n_years = max((figures["n_years"] for figures in comparison["policies"].values()), default=0)
    level = f"{100 * comparison['resampling']['confidence_level']:.10g} %"
    return (
        f"**{n_years} years that no agent trained on**, all seeds, on the twin (CityLearn replayed the hours in the "
        "last column: those of the headline year and the first ones of another). *Captured*: share of what there is to "
        "gain, every kWh that a car lacked imported after all; means over seeds and years, in brackets the "
        f"{level} interval of a bootstrap over seeds."
    )


def serves(figures: Figures, policies: Mapping[str, Figures]) -> bool:
    """Return whether a policy serves about as many cars as the optimum, which serves all that the site can."""
    best = [optimum["ev_service"]["mean"] for optimum in _optima(policies) if "ev_service" in optimum]
    if "ev_service" not in figures or not best:
        return True
    return bool(figures["ev_service"]["mean"] >= max(best) - LESS_SERVICE)


def _optima(policies: Mapping[str, Figures]) -> list[Figures]:
    return [figures for figures in policies.values() if figures["kind"] == Kind.OPTIMUM]


def _headline(name: str) -> Column:
    figure = KEY_FIGURES[name]
    return figure.heading, lambda figures: figure.print_form.cell(figures["headline"].get(figure.flat_name))


def _over_years(name: str, decimals: int | None = None) -> Column:
    figure = KEY_FIGURES[name]
    form = figure.print_form if decimals is None else figure.print_form.with_decimals(decimals)

    def cell(figures: Figures) -> str:
        summary = figures.get(figure.flat_name)
        if summary is None:
            return NOT_KNOWN
        interval = (summary["ci_low"], summary["ci_high"]) if "ci_low" in summary else None
        return form.cell(summary["mean"], interval if interval and interval[0] != interval[1] else None)

    return figure.heading, cell


def _of_summary(heading: str, name: str, key: str) -> Column:
    figure = KEY_FIGURES[name]
    return heading, lambda figures: figure.text(figures[figure.flat_name][key] if figure.flat_name in figures else None)


def _beside(heading: str, part: str, name: str) -> Column:
    figure = KEY_FIGURES[name]
    return heading, lambda figures: figure.text(figures[part].get(name))


def _better_than(name: str) -> Column:
    def cell(figures: Figures) -> str:
        return PROBABILITY.number(figures["improvement_over"].get(name, {}).get("mean"))

    return f"P(better than `{name}`)", cell


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
YEARS_COLUMNS: tuple[Column, ...] = (
    _over_years("captured_share_co2"),
    _of_summary("interquartile mean", "captured_share_co2", "iqm"),
    _of_summary("worst seed", "captured_share_co2", "min"),
    _over_years("captured_share_cost"),
    _over_years("ev_service"),
    _over_years("ev_unmet_kwh", decimals=0),
    _better_than("required"),
    _better_than("uncontrolled"),
    ("replayed [h]", _replayed),
)
LEARNING_COLUMNS = (
    _of_summary("trained", "captured_share_co2", "mean"),
    _beside("on training years", "training_years", "captured_share_co2"),
    _beside("untrained", "untrained", "captured_share_co2"),
    _beside("best constant", "best_constant", "captured_share_co2"),
    _learning_gain("above the constant", "learning_gain_co2"),
    _learning_gain("the same for cost", "learning_gain_cost"),
)
