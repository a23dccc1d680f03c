"""The table of key figures: name, unit, meaning, form in print. Results, comparison, texts and docs follow it.

A new key figure is one row here and its computation in `kpis.py`; `COMPARED` and `MEANS` say where else it appears.
This module imports only the standard library, since the command line and `iquitos status` read it at every start.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

NOT_KNOWN = "-"
"""Print of a figure without a value."""


class OverYear(StrEnum):
    """Way in which the hours of a year give its figure."""

    COLUMN_SUM = "sum of its hourly column"
    SUM = "sum"
    HIGHEST = "highest hour"
    HIGHEST_OF_MONTH = "highest hour of each month"
    COUNT = "count"
    SHARE = "share"


@dataclass(frozen=True)
class PrintForm:
    """Form of a printed value: `1,234.5`, with a unit behind it or in the heading above. A rounded zero has no sign.

    Attributes
    ----------
    scale : float
        Factor on the value.
    unit : str
        Unit of the printed number; empty for none.
    decimals : int
        Digits after the point.
    """

    scale: float
    unit: str
    decimals: int

    def with_decimals(self, decimals: int) -> "PrintForm":
        """Return the same form with another number of decimals."""
        return replace(self, decimals=decimals)

    def number(self, value: float | None, *, signed: bool = False) -> str:
        """Return a value without its unit; with `signed` a positive one has its sign."""
        if value is None:
            return NOT_KNOWN
        text = f"{value * self.scale:{'+' if signed else ''}z,.{self.decimals}f}"
        return text if text.strip("+0.") else text.removeprefix("+")

    def text(self, value: float | None, *, signed: bool = False) -> str:
        """Return a value with its unit."""
        return self._with(self.unit, self.number(value, signed=signed))

    def heading(self, label: str) -> str:
        """Return the heading of a column: with the unit, except for percent, which every cell has."""
        return label if self._unit_in_cell or not self.unit else f"{label} [{self.unit}]"

    def cell(self, value: float | None, interval: tuple[float, float] | None = None) -> str:
        """Return a cell below such a heading, with an interval in brackets where there is one."""
        number = self.number(value)
        if interval is not None:
            number += f" [{self.number(interval[0])}, {self.number(interval[1])}]"
        return self._with(self._unit_in_cell, number)

    def rounded(self, value: float) -> float:
        """Return the number that is printed, so that what looks equal is equal."""
        return round(value * self.scale, self.decimals)

    @property
    def _unit_in_cell(self) -> str:
        return "%" if self.unit == "%" else ""

    @staticmethod
    def _with(unit: str, number: str) -> str:
        return f"{number} {unit}" if unit and number != NOT_KNOWN else number


PERCENT = PrintForm(100.0, "%", 1)
PERCENT_OF_CARS = PrintForm(100.0, "%", 2)
TONNES = PrintForm(1e-3, "t", 2)
KILO_USD = PrintForm(1e-3, "kUSD", 3)
MEGAWATT_HOURS = PrintForm(1e-3, "MWh", 2)
KILOWATT_HOURS = PrintForm(1.0, "kWh", 1)
KILOWATTS = PrintForm(1.0, "kW", 1)
NUMBER = PrintForm(1.0, "", 0)
REWARD = PrintForm(1.0, "", 1)


@dataclass(frozen=True)
class KeyFigure:
    """A figure of a policy in a year.

    Attributes
    ----------
    name : str
        Key in a result; a dot leads into a nested object.
    unit : str
        Unit of the value in files; `1` for a share.
    over_year : OverYear
        How the hours of a year give it.
    print_form : PrintForm
        How it is printed.
    label : str
        Name for readers.
    meaning : str
        Explanation in a sentence, and when it is null.
    critical : bool
        Whether the smallest form of a result keeps it (`evaluation/results.py`).
    condition : str
        When a result has it; empty: always.
    """

    name: str
    unit: str
    over_year: OverYear
    print_form: PrintForm
    label: str
    meaning: str
    critical: bool = False
    condition: str = ""

    @property
    def flat_name(self) -> str:
        """Return the key in a comparison, without dots: DVC takes them for nesting."""
        return self.name.replace(".", "_")

    @property
    def is_list(self) -> bool:
        """Whether it is a list of numbers."""
        return self.over_year is OverYear.HIGHEST_OF_MONTH

    @property
    def heading(self) -> str:
        """Return the heading of its column."""
        return self.print_form.heading(self.label)

    def text(self, value: float | None) -> str:
        """Return a value as it is printed, with its unit; `-` where it is not known."""
        return self.print_form.text(value)


_SUM, _COLUMN, _HIGHEST, _SHARE = OverYear.SUM, OverYear.COLUMN_SUM, OverYear.HIGHEST, OverYear.SHARE
_TABLE = (
    KeyFigure("n_steps", "h", OverYear.COUNT, NUMBER, "hours", "Hours simulated.", critical=True),
    KeyFigure(
        "grid_import_kwh", "kWh", _COLUMN, MEGAWATT_HOURS, "import", "Energy taken from the grid.", critical=True
    ),
    KeyFigure("grid_export_kwh", "kWh", _COLUMN, MEGAWATT_HOURS, "export", "Energy given to the grid."),
    KeyFigure("ev_charging_kwh", "kWh", _COLUMN, MEGAWATT_HOURS, "EV energy", "Energy that the chargers draw."),
    KeyFigure("building_load_kwh", "kWh", _COLUMN, MEGAWATT_HOURS, "mall load", "Load of the mall without chargers."),
    KeyFigure("pv_generation_kwh", "kWh", _COLUMN, MEGAWATT_HOURS, "PV", "Energy that the PV plant generates."),
    KeyFigure("co2_kg", "kg", _COLUMN, TONNES, "CO2", "CO2 of the imported energy.", critical=True),
    KeyFigure("cost_usd", "USD", _COLUMN, KILO_USD, "cost", "Cost of the imported energy, exports earn nothing; with a "
              "demand charge including it.", critical=True),
    KeyFigure("energy_cost_off_peak_usd", "USD", _COLUMN, KILO_USD, "energy off peak", "Part of the cost that energy "
              "makes outside the peak hours of the tariff; on a tariff without two prices all that energy makes.",
              condition="with a peak tariff or a demand charge"),
    KeyFigure("energy_cost_peak_usd", "USD", _COLUMN, KILO_USD, "energy in peak hours", "Part of the cost that energy "
              "makes in the peak hours of the tariff.", condition="with a peak tariff: one of two prices"),
    KeyFigure("demand_cost_usd", "USD", _COLUMN, KILO_USD, "demand charge", "Part of the cost that the demand charge "
              "on each month's highest import makes.", condition="with a demand charge"),
    KeyFigure("peak_import_kw", "kW", _HIGHEST, KILOWATTS, "peak import", "Highest import of an hour.", critical=True),
    KeyFigure("evening_peak_import_kw", "kW", _HIGHEST, KILOWATTS, "evening peak import", "Highest import of an hour "
              "of the evening peak; 0 without such an hour."),
    KeyFigure("self_consumption", "1", _SHARE, PERCENT, "self-consumption", "Share of the PV energy that is not "
              "exported; null without PV."),
    KeyFigure("ev_sessions", "1", OverYear.COUNT, NUMBER, "sessions", "Charging sessions."),
    KeyFigure("ev_service", "1", _SHARE, PERCENT_OF_CARS, "EV service", "Share of sessions that end within 0.01 of the "
              "SOC they needed, or of the SOC that full power from arrival reaches; null without sessions.",
              critical=True),
    KeyFigure("ev_unmet_kwh", "kWh", _SUM, KILOWATT_HOURS, "unmet", "Energy that cars needed, could have had and did "
              "not get, at the charger's grid side.", critical=True),
    KeyFigure("ev_overdelivered_kwh", "kWh", _SUM, KILOWATT_HOURS, "overdelivered", "Energy that cars got beyond their "
              "need, at the charger's grid side."),
    KeyFigure("reward.co2", "1", _SUM, REWARD, "reward, CO2", "Reward term for CO2, weighted."),
    KeyFigure("reward.solar_self_consumption", "1", _SUM, REWARD, "reward, self-consumption", "Reward term for PV "
              "energy used on site, weighted."),
    KeyFigure("reward.cost", "1", _SUM, REWARD, "reward, cost", "Reward term for cost, weighted."),
    KeyFigure("reward.ev_satisfaction", "1", _SUM, REWARD, "reward, cars", "Reward term for energy that cars lack or "
              "get beyond their need, weighted."),
    KeyFigure("reward.grid_stability", "1", _SUM, REWARD, "reward, grid", "Reward term for imports in the evening "
              "peak, weighted."),
    KeyFigure("reward.total", "1", _SUM, REWARD, "reward", "Sum of the five reward terms: what an agent learns from."),
    KeyFigure("adjusted.co2_kg", "kg", _SUM, TONNES, "adjusted CO2", "CO2 as if every unmet kWh had been imported in "
              "the dearest hour of its day."),
    KeyFigure("adjusted.cost_usd", "USD", _SUM, KILO_USD, "adjusted cost", "Cost as if every unmet kWh had been "
              "imported in the dearest hour of its day."),
    KeyFigure("adjusted.peak_import_kw", "kW", _HIGHEST, KILOWATTS, "adjusted peak import", "Highest import of an hour "
              "as if every unmet kWh had been imported in the dearest hour of its day."),
    KeyFigure("month_peaks_kw", "kW", OverYear.HIGHEST_OF_MONTH, KILOWATTS, "monthly peaks", "Highest import of an "
              "hour in each month, January first: a list."),
    KeyFigure("captured_share_co2", "1", _SHARE, PERCENT, "captured CO2", "Adjusted CO2 saved against charging at "
              "once, as a share of what the optimum for CO2 saves: 0 for charging at once, 1 for the optimum; null "
              "where that is no more than rounding.", critical=True),
    KeyFigure("captured_share_cost", "1", _SHARE, PERCENT, "captured cost", "The same for the adjusted cost, of what "
              "the optimum for cost saves."),
    KeyFigure("plain_share_co2", "1", _SHARE, PERCENT, "plain CO2 share", "The same for CO2 that is not adjusted: "
              "leaving cars empty raises it."),
)  # fmt: skip
KEY_FIGURES: Mapping[str, KeyFigure] = {figure.name: figure for figure in _TABLE}
"""Every key figure by its name, in the order in which results hold them."""


def named(*names: str) -> tuple[str, ...]:
    """Return names of key figures as they are.

    Raises
    ------
    KeyError
        If one is not in the table.
    """
    return tuple(KEY_FIGURES[name].name for name in names)


_COLUMN_SUMS = [figure for figure in _TABLE if figure.over_year is OverYear.COLUMN_SUM]
SUMMED = tuple(figure.name for figure in _COLUMN_SUMS if not figure.condition)
"""Key figures that are sums of the hourly column of the same name."""
PARTS_OF_COST = tuple(figure.name for figure in _COLUMN_SUMS if figure.condition)
"""The same where the tariff has them; they sum to `cost_usd`."""
CRITICAL = tuple(figure.name for figure in _TABLE if figure.critical)
MEANS = named(
    "captured_share_co2",
    "captured_share_cost",
    "plain_share_co2",
    "ev_service",
    "ev_unmet_kwh",
    "ev_overdelivered_kwh",
    "co2_kg",
    "cost_usd",
)
"""Key figures of which a result holds the mean over its runs, in their order there."""
COMPARED = named(
    "captured_share_co2",
    "captured_share_cost",
    "plain_share_co2",
    "co2_kg",
    "cost_usd",
    *PARTS_OF_COST,
    "grid_import_kwh",
    "grid_export_kwh",
    "peak_import_kw",
    "evening_peak_import_kw",
    "self_consumption",
    "ev_charging_kwh",
    "ev_service",
    "ev_unmet_kwh",
    "ev_overdelivered_kwh",
    "reward.total",
)
"""Key figures that a comparison holds for every policy, in their order there."""
DIFFERENCES = named("co2_kg", "cost_usd", "peak_import_kw", "ev_unmet_kwh", "reward.total")
"""Key figures of which a comparison holds the difference to the reference policies."""
