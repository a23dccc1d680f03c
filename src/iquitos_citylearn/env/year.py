"""One year of a site with all that policies are run on and judged by."""

from dataclasses import dataclass

from iquitos_citylearn.env.setting import Setting, check_single_year
from iquitos_citylearn.site.model import FloatArray, Site


@dataclass(frozen=True)
class Year:
    """A year of a site.

    Attributes
    ----------
    seed : int
        Seed that the year was drawn from.
    site : Site
        The year itself.
    setting : Setting
        The same year for the compiled environment, as its only one.
    target_soc : ndarray, shape (n_sessions,)
        SOC that each car could have left with, in the order of the site's sessions.
    calendar_year : int
        The year that step 0 starts.

    Raises
    ------
    ValueError
        If the setting has more than one year.
    """

    seed: int
    site: Site
    setting: Setting
    target_soc: FloatArray
    calendar_year: int

    def __post_init__(self) -> None:
        """Refuse a setting of several years."""
        check_single_year(self.setting)
