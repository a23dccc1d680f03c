"""The comparison for readers: tables in Markdown and a verdict in words."""

from collections.abc import Mapping
from typing import Any

from iquitos_citylearn.comparison.gains import CONTENDERS, Gain, Verdict, gains_of, optima_of, points_ahead
from iquitos_citylearn.comparison.tables import (
    COST_COLUMN_OF_HEADLINE,
    COST_COLUMN_OF_LEARNING,
    HEADLINE_COLUMNS,
    POINTS,
    judged_columns,
    learning_columns,
    month_peak,
    over_years,
    rows_table,
    table,
    years_columns,
)
from iquitos_citylearn.evaluation.judged import JUDGED, Judged
from iquitos_citylearn.evaluation.key_figures import KEY_FIGURES, PARTS_OF_COST, PERCENT, PrintForm, named
from iquitos_citylearn.policies.register import REGISTER, Kind
from iquitos_citylearn.site.clock import HOURS_PER_YEAR

WHOLE = PrintForm(1.0, "", 0)
SHOWN_POINTS = PrintForm(1.0, "points", 1)
"""Of differences of percentages as they are printed."""
ONE_DECIMAL = PrintForm(1.0, "", 1)
OBJECTIVE_LABELS = {
    "co2": "CO2 [kg]",
    "cost": "cost [USD]",
    "peak_import": "peak import [kW]",
    "reward": "reward, its sign reversed",
}

Figures = Mapping[str, Any]


def comparison_text(comparison: Mapping[str, Any]) -> str:
    """Return the tables and the verdict, as `metrics/comparison.md` and the README show them."""
    policies = comparison["policies"]
    replayed = {name: figures for name, figures in policies.items() if "headline" in figures["replayed_steps"]}
    agents = {name: figures for name, figures in policies.items() if figures["kind"] == Kind.AGENT}
    differ = optima_differ(policies)
    parts = [verdict(comparison)]
    if comparison["headline_to_gain"]:
        parts += [
            "**What there is to gain in the headline year**, each objective by its own optimum:",
            _gains_table(comparison["headline_to_gain"]),
        ]
    if replayed:
        parts += [
            "**The headline year**, every hour replayed in CityLearn (agents: the median seed):",
            table(replayed, (*HEADLINE_COLUMNS, COST_COLUMN_OF_HEADLINE) if differ else HEADLINE_COLUMNS),
        ]
    parts += [_years_caption(comparison), table(policies, years_columns(JUDGED["co2"], differ=differ))]
    if differ:
        parts += ["**The same for cost**:", table(policies, judged_columns(JUDGED["cost"]))]
    if any(name in figures for figures in policies.values() for name in PARTS_OF_COST):
        parts += _where_the_money_goes(policies)
    if agents:
        imitating = any("imitated" in figures for figures in agents.values())
        parts += [
            "**What the learning added** (captured share of CO2, on the twin): the same network untrained, the best "
            "constant action under the same mapping, chosen in hindsight, and the years trained on beside those not "
            "seen. Credit goes to learning only for what lies above both the untrained network and the constant"
            + (":" if differ else "; for cost, above the constant that costs least."),
            *([OF_IMITATION] if imitating else []),
            table(
                agents,
                (
                    *learning_columns(JUDGED["co2"], imitating=imitating),
                    *(() if differ else (COST_COLUMN_OF_LEARNING,)),
                ),
            ),
        ]
        if differ:
            parts += ["**The same for cost**:", table(agents, learning_columns(JUDGED["cost"], imitating=imitating))]
    return "\n\n".join(part.strip() for part in parts) + "\n"


OF_IMITATION = (
    "*Imitated*: the agent with its battery as it was after imitating `rollout`, before it learned from rewards. Where "
    "the battery's action offsets the rule `level`, that rule counts among what learning has to beat."
)


def optima_differ(policies: Mapping[str, Figures]) -> bool:
    """Return whether CO2 and cost have optima of their own among the policies."""
    return len(optima_of(policies)) > 1


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
    built_on = policies[gain.best[Kind.AGENT]].get("built_on")
    against = "the agent's untrained network or a constant action takes"
    if built_on is not None:
        against = f"the agent's untrained network, a constant action or the rule {built_on} behind its actions takes"
    return f"{text} Learning added {added} to what {against}."


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


def _years_caption(comparison: Mapping[str, Any]) -> str:
    n_years = max((figures["n_years"] for figures in comparison["policies"].values()), default=0)
    level = f"{100 * comparison['resampling']['confidence_level']:.10g} %"
    return (
        f"**{n_years} years that no agent trained on**, all seeds, on the twin (CityLearn replayed the hours in the "
        "last column: those of the headline year and the first ones of another). *Captured*: share of what there is to "
        "gain, every kWh that a car lacked imported after all; means over seeds and years, in brackets the "
        f"{level} interval of a bootstrap over seeds."
    )


def _where_the_money_goes(policies: Mapping[str, Figures]) -> list[str]:
    """Return captions and tables of the parts of the cost, and of the highest import of each month."""
    has = [name for name in PARTS_OF_COST if any(name in figures for figures in policies.values())]
    n_months = max(len(figures["month_peaks_kw"]) for figures in policies.values())
    return [
        "**Where the money goes**, means over seeds and years, as simulated (what cars lacked is not added):",
        table(policies, tuple(over_years(name, interval=False) for name in (*has, *named("cost_usd")))),
        "**Monthly peaks** [kW], highest import of an hour, means over seeds and years:",
        table(policies, tuple(month_peak(month) for month in range(n_months))),
    ]


def _gains_table(gains: Mapping[str, Any]) -> str:
    """Return a Markdown table, an objective per row; nothing is stated of a gain that rounding can make."""
    rows = []
    for name, gain in ((name, Gain(**entry)) for name, entry in gains.items()):
        none = gain.verdict == Verdict.NONE
        amounts = (gain.uncontrolled, gain.optimum, None if none else gain.gain)
        share = PERCENT.text(None if none else gain.share)
        rows.append((OBJECTIVE_LABELS[name], *map(ONE_DECIMAL.number, amounts), share, gain.verdict))
    header = ("objective", "charging at once", "its optimum", "to gain", "share", "verdict")
    return rows_table(header, rows)
