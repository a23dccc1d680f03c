"""The comparison for readers: tables in Markdown and a verdict in words."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

LESS_SERVICE = 0.01
"""A policy that serves this share of cars fewer than the optimum is not called best: shares price what cars lack, and
drivers may see it otherwise."""
SAME_SHARE = 1e-4
PERCENT_DECIMALS = 1
LITTLE_SHARE = 0.10
"""Below this share of uncontrolled CO2 the report calls the gain small."""
NOT_KNOWN = "-"

Figures = Mapping[str, Any]
Column = tuple[str, Callable[[Figures], str]]


def comparison_text(comparison: Mapping[str, Any]) -> str:
    """Return the tables and the verdict, as `metrics/comparison.md` and the README show them."""
    policies = comparison["policies"]
    replayed = {name: figures for name, figures in policies.items() if "headline" in figures["replayed_steps"]}
    agents = {name: figures for name, figures in policies.items() if "best_constant" in figures}
    parts = [
        verdict(comparison),
        "**The headline year**, every hour replayed in CityLearn (agents: the median seed):",
        table(replayed, HEADLINE_COLUMNS),
        _years_caption(policies),
        table(policies, YEARS_COLUMNS),
    ]
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
        f"Between charging at once to full and perfect foresight lie {gain['co2_kg']:,.0f} kg of CO2 "
        f"({100 * gain['co2_kg_share']:.1f} % of the site's) and {gain['cost_usd']:,.0f} USD a year."
    )
    if gain["co2_kg_share"] < LITTLE_SHARE:
        text += " That is little."
    if "required" in policies and "captured_share_co2" in policies["required"]:
        share = policies["required"]["captured_share_co2"]["mean"]
        text += (
            f" The rule `required` (charge at once, but only what the driver asked for) takes {_percent(share)} of it "
            "without any learning."
        )
    return text + _who_beats_the_rules(policies)


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
    taken, ahead = f"{share:.1f} %", share - shown_percent(policies[rule], figure)
    if ahead > 0.0:
        return f" The best agent, {agent}, takes {taken}{of_what}: {ahead:.1f} points more than the best rule, {rule}."
    return f" No agent takes more{of_what} than the best rule, {rule}: the best, {agent}, takes {taken}."


def best_agent_and_rule(policies: Mapping[str, Figures], figure: str) -> tuple[str, str] | None:
    """Return the agent and the rule that capture most, of equal ones the first; None unless there are both."""
    known = [name for name in policies if name != "optimum" and figure in policies[name]]
    agents = [name for name in known if "best_constant" in policies[name]]
    rules = [name for name in known if name not in agents]
    if not agents or not rules:
        return None

    def share(name: str) -> float:
        return shown_percent(policies[name], figure)

    return max(agents, key=share), max(rules, key=share)


def shown_percent(figures: Figures, figure: str) -> float:
    """Return a mean share as it is printed, so that what looks equal is equal [%]."""
    return round(100 * float(figures[figure]["mean"]), PERCENT_DECIMALS)


def _years_caption(policies: Mapping[str, Figures]) -> str:
    n_years = max((figures["n_years"] for figures in policies.values()), default=0)
    return (
        f"**{n_years} years that no agent trained on**, all seeds, on the twin (CityLearn replayed the hours in the "
        "last column: those of the headline year and the first ones of another). *Captured*: share of what there is to "
        "gain, every kWh that a car lacked imported after all; means over seeds and years, in brackets the 95 % "
        "interval of a bootstrap over seeds."
    )


def serves(figures: Figures, policies: Mapping[str, Figures]) -> bool:
    """Return whether a policy serves about as many cars as the optimum, which serves all that the site can."""
    if "ev_service" not in figures or "ev_service" not in policies.get("optimum", {}):
        return True
    return bool(figures["ev_service"]["mean"] >= policies["optimum"]["ev_service"]["mean"] - LESS_SERVICE)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _headline(name: str, scale: float, decimals: int, unit: str = "") -> Callable[[Figures], str]:
    def cell(figures: Figures) -> str:
        value = figures["headline"].get(name)
        return NOT_KNOWN if value is None else f"{value * scale:,.{decimals}f}{unit}"

    return cell


def _over_years(name: str, scale: float, decimals: int, unit: str = "") -> Callable[[Figures], str]:
    def cell(figures: Figures) -> str:
        summary = figures.get(name)
        if summary is None:
            return NOT_KNOWN
        text = f"{summary['mean'] * scale:,.{decimals}f}"
        if "ci_low" in summary and summary["ci_low"] != summary["ci_high"]:
            text += f" [{summary['ci_low'] * scale:,.{decimals}f}, {summary['ci_high'] * scale:,.{decimals}f}]"
        return text + unit

    return cell


def _of_summary(name: str, key: str) -> Callable[[Figures], str]:
    return lambda figures: _percent(figures[name][key]) if name in figures else NOT_KNOWN


def _beside(part: str, name: str) -> Callable[[Figures], str]:
    return lambda figures: _percent(figures[part][name]) if name in figures[part] else NOT_KNOWN


def _better_than(name: str) -> Callable[[Figures], str]:
    def cell(figures: Figures) -> str:
        found = figures["improvement_over"].get(name)
        return NOT_KNOWN if found is None else f"{found['mean']:.2f}"

    return cell


def _replayed(figures: Figures) -> str:
    return " + ".join(f"{steps:,}" for steps in figures["replayed_steps"].values())


def _learning_gain(name: str) -> Callable[[Figures], str]:
    return lambda figures: f"{100 * figures[name]:+.1f} points" if name in figures else NOT_KNOWN


HEADLINE_COLUMNS: tuple[Column, ...] = (
    ("CO2 [t]", _headline("co2_kg", 1e-3, 2)),
    ("cost [kUSD]", _headline("cost_usd", 1e-3, 3)),
    ("peak import [kW]", _headline("peak_import_kw", 1.0, 1)),
    ("EV energy [MWh]", _headline("ev_charging_kwh", 1e-3, 2)),
    ("EV service", _headline("ev_service", 100.0, 2, " %")),
    ("unmet [kWh]", _headline("ev_unmet_kwh", 1.0, 1)),
    ("captured CO2", _headline("captured_share_co2", 100.0, 1, " %")),
)
YEARS_COLUMNS: tuple[Column, ...] = (
    ("captured CO2", _over_years("captured_share_co2", 100.0, 1, " %")),
    ("interquartile mean", _of_summary("captured_share_co2", "iqm")),
    ("worst seed", _of_summary("captured_share_co2", "min")),
    ("captured cost", _over_years("captured_share_cost", 100.0, 1, " %")),
    ("EV service", _over_years("ev_service", 100.0, 2, " %")),
    ("unmet [kWh]", _over_years("ev_unmet_kwh", 1.0, 0)),
    ("P(better than `required`)", _better_than("required")),
    ("P(better than `uncontrolled`)", _better_than("uncontrolled")),
    ("replayed [h]", _replayed),
)
LEARNING_COLUMNS: tuple[Column, ...] = (
    ("trained", _of_summary("captured_share_co2", "mean")),
    ("on training years", _beside("training_years", "captured_share_co2")),
    ("untrained", _beside("untrained", "captured_share_co2")),
    ("best constant", _beside("best_constant", "captured_share_co2")),
    ("above the constant", _learning_gain("learning_gain_co2")),
    ("the same for cost", _learning_gain("learning_gain_cost")),
)
