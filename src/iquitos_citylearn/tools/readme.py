"""Put the committed results into the README, so that it claims what was measured."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from iquitos_citylearn.comparison.text import WHOLE, best_agent_and_rule, serves, shown_percent
from iquitos_citylearn.evaluation.key_figures import KEY_FIGURES, PERCENT
from iquitos_citylearn.policies.register import REGISTER
from iquitos_citylearn.runtime.artifacts import read_json, write_bytes
from iquitos_citylearn.tools.markdown import with_block
from iquitos_citylearn.tools.picture import CAPTURED, PICTURE, result_picture

README, COMPARISON = Path("README.md"), Path("metrics/comparison.json")
ANSWER, RESULTS = "answer", "results"


def answer(comparison: Mapping[str, Any]) -> str:
    """Return the answer to the README's question, in two sentences after one word.

    Parameters
    ----------
    comparison : mapping
        Content of `metrics/comparison.json`.

    Raises
    ------
    ValueError
        If the comparison lacks charging at once, the optimum, a rule or an agent that serves the cars.
    """
    gain, policies = comparison["to_gain"], comparison["policies"]
    best = best_agent_and_rule({name: f for name, f in policies.items() if serves(f, policies)}, CAPTURED)
    if best is None or not gain:
        raise ValueError("the README needs results of charging at once, the optimum, a rule and an agent")
    agent, rule = best
    summary = next(entry.summary for entry in REGISTER if entry.name == rule)
    ahead = shown_percent(policies[agent], CAPTURED) - shown_percent(policies[rule], CAPTURED)
    gap = f"{abs(ahead):.1f} points {'more' if ahead > 0.0 else 'less'}" if ahead else "the same"
    return (
        f"**{'Yes' if ahead > 0.0 else 'No'}.** With perfect foresight, control of the chargers would save "
        f"{WHOLE.number(gain['co2_kg'])} kg of CO2 ({PERCENT.text(gain['co2_kg_share'])}) and "
        f"{WHOLE.number(gain['cost_usd'])} USD a year against charging every car at once to full, and the rule "
        f"`{rule}` ({summary}) saves {_share(policies[rule])} of that CO2 without any learning. "
        f"The best trained agent, {agent}, saves {_share(policies[agent])}: {gap}.\n"
    )


def _share(figures: Mapping[str, Any]) -> str:
    return KEY_FIGURES[CAPTURED].text(figures[CAPTURED]["mean"])


def tables(comparison_text: str) -> str:
    """Return the tables of `metrics/comparison.md`: all but its first paragraph, the verdict."""
    return comparison_text.partition("\n\n")[2]


def readme_with_results(readme: str, comparison: Mapping[str, Any], comparison_text: str) -> str:
    """Return the README with its answer and its tables."""
    return with_block(with_block(readme, ANSWER, answer(comparison)), RESULTS, tables(comparison_text))


def main() -> None:
    """Rewrite README.md and its picture in this folder from the comparison in metrics/."""
    comparison = read_json(COMPARISON)
    text = COMPARISON.with_suffix(".md").read_text(encoding="utf-8")
    write_bytes(README, readme_with_results(README.read_text(encoding="utf-8"), comparison, text).encode("utf-8"))
    write_bytes(PICTURE, result_picture(comparison).encode("utf-8"))


if __name__ == "__main__":
    main()
