"""The hours of the simulated year."""

import pandas as pd

from iquitos_citylearn.params import Calendar

HOURS_PER_DAY = 24
HOURS_PER_YEAR = 8760


def year_hours(calendar: Calendar) -> pd.DatetimeIndex:
    """Return the starts of the 8,760 hours of the calendar's year, from 1 January 00:00, in the site's clock."""
    return pd.date_range(f"{calendar.year}-01-01", periods=HOURS_PER_YEAR, freq="h")
