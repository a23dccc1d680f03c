"""The hours of the simulated year."""

from typing import TYPE_CHECKING

from iquitos_citylearn.params import Calendar

if TYPE_CHECKING:  # the environment needs the constants alone
    import pandas as pd

HOURS_PER_DAY = 24
HOURS_PER_YEAR = 8760


def year_hours(calendar: Calendar) -> "pd.DatetimeIndex":
    """Return the starts of the 8,760 hours of the calendar's year, from 1 January 00:00, in the site's clock."""
    import pandas as pd  # noqa: PLC0415

    return pd.date_range(f"{calendar.year}-01-01", periods=HOURS_PER_YEAR, freq="h")
