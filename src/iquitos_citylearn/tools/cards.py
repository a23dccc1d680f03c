"""Put the committed figures into the model card and the data card, so that what they claim is what was measured."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from iquitos_citylearn.comparison.gains import is_of_this_version
from iquitos_citylearn.comparison.tables import POINTS
from iquitos_citylearn.comparison.text import optima_differ
from iquitos_citylearn.evaluation.judged import JUDGED
from iquitos_citylearn.evaluation.key_figures import KEY_FIGURES, NOT_KNOWN, NUMBER, PERCENT
from iquitos_citylearn.params import Params, load_params
from iquitos_citylearn.policies.register import Kind, policies_of
from iquitos_citylearn.runtime.artifacts import read_json, write_bytes
from iquitos_citylearn.runtime.folders import METRICS, result_file
from iquitos_citylearn.tools.markdown import with_block

DOCS, STUDY, COMPARISON = Path("docs"), Path("study/results"), Path("comparison.json")
CAPTURED = JUDGED["co2"].share
CASES = {
    "raw": "raw actions: each action is the share of the charger's rating",
    "plain": "raw actions and Stable-Baselines3's own network (256 x 256)",
    "no_bess": "no battery",
    "weak_grid": "no battery, an import limit below the uncontrolled peak",
    "demand_charge": "the agent dispatches the battery under a demand charge",
}


def model_figures(folder: Path, params: Params) -> str:
    """Return the tables of the model card as Markdown, from the results in a project's folder.

    Raises
    ------
    ArtifactError
        If a result is missing or unreadable.
    """
    agents = [entry.name for entry in policies_of(params) if entry.kind is Kind.AGENT]
    comparison = read_json(folder / METRICS / COMPARISON)
    policies, level = comparison["policies"], comparison["resampling"]["confidence_level"]
    quality = _table(
        [
            "model",
            "captured CO2",
            f"{100 * level:.10g} % interval",
            "worst seed",
            "EV service",
            "unmet [kWh]",
            "too much [kWh]",
        ],
        (_quality(agent, policies[agent]) for agent in agents),
    )
    learning = _table(
        ["model", "steps", "updates", "untrained", "best constant action", "above both [points]"],
        (_learning(agent, policies[agent], folder) for agent in agents),
    )
    compared = {case: read_json(folder / STUDY / case / COMPARISON) for case in CASES}
    elsewhere = {case: found["policies"] for case, found in compared.items() if is_of_this_version(found)}
    cases = _table(
        ["trained and judged elsewhere", *agents, "rule `required`"],
        (
            [text, *(_case(name, elsewhere[case]) for name in (*agents, "required"))]
            for case, text in CASES.items()
            if case in elsewhere
        ),
    )
    return f"{quality}\n{learning}\n{cases}"


def data_figures(folder: Path) -> str:
    """Return the tables of the data card as Markdown, from the record of the data set in a project's folder.

    Raises
    ------
    ArtifactError
        If the record is missing or unreadable.
    """
    record = read_json(folder / METRICS / "dataset.json")
    load, pv, sessions = record["load"], record["pv"], record["sessions"]
    site = _table(
        ["headline year", "figure"],
        [
            ["steps (hours)", f"{record['n_steps']:,}"],
            ["chargers", f"{record['n_chargers']}"],
            ["mall load [kWh]", f"{load['annual_energy_kwh']:,.0f}"],
            ["mall load, highest hour [kW]", f"{load['peak_kw']:,.2f}"],
            ["PV [kWh]", f"{pv['annual_energy_kwh']:,.0f}"],
            ["PV performance ratio over GHI", f"{pv['performance_ratio']:.2f}"],
            ["GHI [kWh/m2]", f"{record['ghi_kwh_per_m2']:,.0f}"],
            ["EV sessions", f"{sessions['n_sessions']:,}"],
            ["EV energy requested [kWh/day]", f"{sessions['energy_requested_kwh_per_day']:,.0f}"],
        ],
    )
    fleets = _table(
        ["fleet", "chargers", "sessions per charger and day", "mean stay [h]", "can wait an hour"],
        (
            [
                name,
                f"{fleet['n_chargers']}",
                f"{fleet['sessions_per_charger_day']:.2f}",
                f"{fleet['stay_mean_hours']:.2f}",
                f"{fleet['share_that_can_wait_an_hour']:.0%}",
            ]
            for name, fleet in sessions["fleets"].items()
        ),
    )
    years = ", ".join(name.removeprefix("seed_") for kind in ("evaluation", "training") for name in record[kind])
    warnings = "".join(f"- {warning}\n" for warning in record["warnings"])
    return (
        f"{site}\n{fleets}\nSeeds: headline year {record['seed']}; further years {years}.\n\n"
        f"Warnings recorded with the data:\n\n{warnings}"
    )


def _quality(agent: str, figures: Mapping[str, Any]) -> list[str]:
    share, lacking, above = (figures.get(key, {}) for key in (CAPTURED, "ev_unmet_kwh", "ev_overdelivered_kwh"))
    ends = [PERCENT.text(share.get(key)) for key in ("ci_low", "ci_high")]
    return [
        agent,
        PERCENT.text(share.get("mean")),
        " to ".join(ends) if "ci_low" in share else NOT_KNOWN,
        PERCENT.text(share.get("min")),
        KEY_FIGURES["ev_service"].text(figures["ev_service"]["mean"]),
        NUMBER.text(lacking["mean"]),
        NUMBER.text(above["mean"]),
    ]


def _learning(agent: str, figures: Mapping[str, Any], folder: Path) -> list[str]:
    training = read_json(folder / result_file(agent.upper()))["training"]
    return [
        agent,
        NUMBER.text(training["timesteps"]),
        NUMBER.text(training["updates"]),
        *(PERCENT.text(figures[part].get(CAPTURED)) for part in ("untrained", "best_constant")),
        POINTS.number(figures.get(JUDGED["co2"].learning_gain), signed=True),
    ]


def _case(name: str, policies: Mapping[str, Any]) -> str:
    """Return captured shares and service; one share where CO2 and cost have one optimum."""
    judged = list(JUDGED.values()) if optima_differ(policies) else [JUDGED["co2"]]
    shares = [(item.label, PERCENT.text(policies[name].get(item.share, {}).get("mean"))) for item in judged]
    service = PERCENT.text(policies[name]["ev_service"]["mean"])
    return ", ".join([*(" ".join(share) for share in shares), f"service {service}"])


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    ruler = ["---", *["---:"] * (len(head) - 1)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (head, ruler, *rows))


def main() -> None:
    """Rewrite the figures of both cards in this folder."""
    here = Path()
    for name, figures in (
        ("model_card.md", model_figures(here, load_params(Path("params.yaml")))),
        ("data_card.md", data_figures(here)),
    ):
        card = DOCS / name
        write_bytes(card, with_block(card.read_text(encoding="utf-8"), "results", figures).encode("utf-8"))


if __name__ == "__main__":
    main()
