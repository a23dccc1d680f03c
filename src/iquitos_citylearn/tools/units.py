"""The unit that a key ends in: every number in params and results carries it in its name."""

UNITS = {
    "_kwh_per_kwp": "kWh/kWp",
    "_kwh_per_m2": "kWh/m2",
    "_kwh_per_day": "kWh/d",
    "_kg_per_kwh": "kg/kWh",
    "_usd_per_kwh": "USD/kWh",
    "_usd_per_kw_month": "USD/(kW month)",
    "_per_c": "1/C",
    "_mwh": "MWh",
    "_kwh": "kWh",
    "_kwp": "kWp",
    "_kw": "kW",
    "_kg": "kg",
    "_usd": "USD",
    "_deg": "deg",
    "_hours": "h",
    "_by_hour": "",
    "_hour": "h",
    "_m": "m",
    "_c": "C",
}
"""By ending; the first one that fits holds, so the longer ones come first."""


def unit_of(key: str) -> str:
    """Return the unit of a key; empty where its name has none."""
    name = key.rpartition(".")[2]
    return next((unit for ending, unit in UNITS.items() if name.endswith(ending)), "")
