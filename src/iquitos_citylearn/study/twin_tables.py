"""Tables of the study's parts that run on the twin alone, for its summary."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd

from iquitos_citylearn.evaluation.judged import JUDGED
from iquitos_citylearn.tools.markdown import markdown_table

DECOMPOSITION = Path("decomposition", "captured_cost.csv")
FORECAST_COSTS = Path("forecast", "captured_cost.csv")
FORECAST_ERRORS = Path("forecast", "errors.csv")
SHARE = JUDGED["cost"].share
SHOWN_LEADS = (1, 2, 3, 4, 5, 6, 12, 24)


def twin_sections(results: Path) -> list[str]:
    """Return the sections of the parts that have been run, as Markdown."""
    return [
        part
        for file, section in SECTIONS.items()
        if (results / file).exists()
        for part in section(pd.read_csv(results / file, float_precision="round_trip"))
    ]


def _decomposition(table: pd.DataFrame) -> tuple[str, ...]:
    shares = _pivot(table, "row", "year", SHARE)
    rows = [(str(name), _percent(row.mean()), *map(_percent, row)) for name, row in shares.iterrows()]
    return (
        "## Where the money lies",
        "Captured share of cost in the case `demand_charge` when a part of the controller is replaced by perfect "
        "foresight: its mean, and by year. On the twin, not certified by CityLearn.",
        markdown_table(("", "captured cost", *map(str, shares.columns)), rows),
    )


def _forecast_costs(table: pd.DataFrame) -> tuple[str, ...]:
    shares = _pivot(table, "policy", "forecast", SHARE)
    return (
        "## What a better PV forecast is worth",
        "Captured share of cost in the case `demand_charge` by forecast (`environment.pv_forecast`), mean over the "
        "evaluation years. Constants of the rule are those fitted under the default forecast, `noisy_truth`. On the "
        "twin, not certified by CityLearn.",
        markdown_table(
            ("policy", *shares.columns), [(str(name), *map(_percent, row)) for name, row in shares.iterrows()]
        ),
    )


def _forecast_errors(table: pd.DataFrame) -> tuple[str, ...]:
    errors = _pivot(table[table["hours_ahead"].isin(SHOWN_LEADS)], "forecast", "hours_ahead", "rmse_share")
    return (
        "Root mean square error of the forecasts in daylight by hours ahead (1: the hour that begins), as a share of "
        "the mean PV in daylight, on years that nothing was fitted on:",
        markdown_table(
            ("forecast", *(f"{lead} h" for lead in errors.columns)),
            [(str(name), *map(_percent, row)) for name, row in errors.iterrows()],
        ),
    )


def _pivot(table: pd.DataFrame, index: str, columns: str, values: str) -> pd.DataFrame:
    """Return means over the other columns, in the order of the table."""
    means = table.pivot_table(index=index, columns=columns, values=values, aggfunc="mean")
    return means.loc[list(dict.fromkeys(table[index])), list(dict.fromkeys(table[columns]))]


def _percent(share: float) -> str:
    return f"{100.0 * share:.1f} %"


SECTIONS: Mapping[Path, Callable[[pd.DataFrame], tuple[str, ...]]] = {
    DECOMPOSITION: _decomposition,
    FORECAST_COSTS: _forecast_costs,
    FORECAST_ERRORS: _forecast_errors,
}
