"""Put the committed results into the README, so that it claims what was measured."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from iquitos_citylearn.comparison.gains import CONTENDERS, Gain, Verdict, gains_of, points_ahead, read_comparison
from iquitos_citylearn.comparison.text import gap, in_units, share_taken
from iquitos_citylearn.evaluation.judged import JUDGED, Judged
from iquitos_citylearn.evaluation.key_figures import NOT_KNOWN, PERCENT
from iquitos_citylearn.policies.register import Kind
from iquitos_citylearn.runtime.artifacts import write_bytes
from iquitos_citylearn.runtime.folders import METRICS
from iquitos_citylearn.tools.markdown import with_block
from iquitos_citylearn.tools.picture import PICTURE, result_picture

README = Path("README.md")
COMPARISON, DEMAND_CHARGE = METRICS / "comparison.json", Path("study/results/demand_charge/comparison.json")
ANSWER, RESULTS = "answer", "results"
SITES = (
    "The default site, on a flat tariff",
    "The same site under a demand charge, its battery dispatched by the policy",
)


def answer(default: Mapping[str, Any], demand_charge: Mapping[str, Any]) -> str:
    """Return the answer to the README's question: for each of the two sites a sentence and a table.

    Parameters
    ----------
    default, demand_charge : mapping
        Comparisons of the default run and of the study case `demand_charge`.

    Raises
    ------
    ValueError
        If a comparison lacks an agent, or a rule or controller, that serves the cars where there is something to gain.
    """
    sites = zip(SITES, (default, demand_charge), strict=True)
    return "\n\n".join(_answer_for(site, comparison) for site, comparison in sites) + "\n"


def _answer_for(site: str, comparison: Mapping[str, Any]) -> str:
    gains, policies = gains_of(comparison), comparison["policies"]
    words = [_in_short(JUDGED[name], gain, policies) for name, gain in gains.items()]
    columns = [_column(JUDGED[name], gain, policies) for name, gain in gains.items()]
    rows = ["perfect foresight", *(f"best {kind}" for kind in CONTENDERS)]
    header = "| saved a year against charging at once |" + "".join(f" {JUDGED[name].label} |" for name in gains)
    lines = [header, "|---|" + "---|" * len(gains)]
    lines += [f"| {' | '.join(cells)} |" for cells in zip(rows, *columns, strict=True) if set(cells[1:]) != {NOT_KNOWN}]
    return f"**{site}.** {' '.join(words)}\n\n" + "\n".join(lines)


def _in_short(judged: Judged, gain: Gain, policies: Mapping[str, Any]) -> str:
    """Return whether an agent is ahead of what does not learn, for one objective."""
    if gain.verdict == Verdict.NONE:
        return f"{_start(judged)}: there is nothing to gain."
    ahead = points_ahead(gain, policies, judged.share)
    if ahead is None:
        raise ValueError("the README needs an agent, and a rule or controller, that serve the cars")
    little = " There is little to gain." if gain.verdict == Verdict.LITTLE else ""
    word = "yes" if ahead > 0.0 else "no"
    return f"{_start(judged)}: **{word}**, the best agent, {gain.best[Kind.AGENT]}, takes {gap(ahead)}.{little}"


def _start(judged: Judged) -> str:
    return judged.label[0].upper() + judged.label[1:]


def _column(judged: Judged, gain: Gain, policies: Mapping[str, Any]) -> list[str]:
    """Return what perfect foresight and the best policy of each kind save of an objective."""
    if gain.verdict == Verdict.NONE:
        return ["nothing to gain", *(NOT_KNOWN for _ in CONTENDERS)]
    foresight = f"{in_units(gain.gain, gain)}, {PERCENT.text(gain.share)} of all {judged.label}"
    return [foresight, *(_best(gain.best.get(kind), judged, gain, policies) for kind in CONTENDERS)]


def _best(name: str | None, judged: Judged, gain: Gain, policies: Mapping[str, Any]) -> str:
    if name is None:
        return NOT_KNOWN
    saved = in_units(policies[name]["saved"][judged.figure], gain)
    return f"`{name}`: {saved}, {share_taken(policies[name], judged)} of that"


def tables(comparison_text: str) -> str:
    """Return the tables of `metrics/comparison.md`: all but its first paragraph, the verdict."""
    return comparison_text.partition("\n\n")[2]


def readme_with_results(
    readme: str, comparison: Mapping[str, Any], comparison_text: str, demand_charge: Mapping[str, Any]
) -> str:
    """Return the README with its answer and its tables."""
    answered = with_block(readme, ANSWER, answer(comparison, demand_charge))
    return with_block(answered, RESULTS, tables(comparison_text))


def main() -> None:
    """Rewrite README.md and its picture in this folder from the comparison in metrics/."""
    comparison, text = read_comparison(COMPARISON), COMPARISON.with_suffix(".md").read_text(encoding="utf-8")
    readme = readme_with_results(README.read_text(encoding="utf-8"), comparison, text, read_comparison(DEMAND_CHARGE))
    write_bytes(README, readme.encode("utf-8"))
    write_bytes(PICTURE, result_picture(comparison).encode("utf-8"))


if __name__ == "__main__":
    main()
