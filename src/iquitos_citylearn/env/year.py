"""A year of a site, ready to be run, optimised and judged."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from iquitos_citylearn.env.arrays import ONLY_YEAR, session_rows
from iquitos_citylearn.env.setting import Setting, check_single_year, single_year
from iquitos_citylearn.site.model import FloatArray, Site


@dataclass(frozen=True, kw_only=True)
class Year:
    """One year.

    Attributes
    ----------
    seed : int
        The seed that the year was drawn from: its name.
    site : Site
        Series, sessions and equipment.
    setting : Setting
        The same for the compiled kernels; it holds this year alone.
    target_soc : ndarray, shape (n_sessions,)
        State of charge that each car could have left with, in the order of the site's sessions.
    calendar_year : int
        Calendar year that row 0 begins.

    Raises
    ------
    ValueError
        If the setting holds several years, or the targets are not one per session.
    """

    seed: int
    site: Site
    setting: Setting
    target_soc: FloatArray
    calendar_year: int

    def __post_init__(self) -> None:
        """Check the shapes."""
        check_single_year(self.setting)
        if self.target_soc.shape != (len(self.site.sessions),):
            raise ValueError(
                f"target_soc of year {self.seed} has shape {self.target_soc.shape}; it must be "
                f"({len(self.site.sessions)},)"
            )


def make_year(site: Site, setting: Setting, *, seed: int, calendar_year: int) -> Year:
    """Return a year in which each car could have left with what full power from arrival reaches.

    An import limit can keep a car from that: `optimum.delivery.with_feasible_targets` lowers the targets.
    """
    target_soc = setting.tables.target_soc[ONLY_YEAR, session_rows(setting.years, ONLY_YEAR, site.sessions)]
    return Year(seed=seed, site=site, setting=setting, target_soc=target_soc, calendar_year=calendar_year)


@dataclass(frozen=True)
class Years:
    """Years of one site, run together and judged one by one.

    Attributes
    ----------
    setting : Setting
        All years in one, for policies of one action mapping.
    years : tuple of Year
        The same years one by one; their arrays are views of it.
    """

    setting: Setting
    years: tuple[Year, ...]

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds of the years, in their order."""
        return tuple(year.seed for year in self.years)

    def __iter__(self) -> Iterator[Year]:
        """Iterate over the years."""
        return iter(self.years)

    def __getitem__(self, index: int) -> Year:
        """Return a year by its place."""
        return self.years[index]

    def __len__(self) -> int:
        """Return the number of years."""
        return len(self.years)

    @classmethod
    def of(cls, setting: Setting, sites: tuple[Site, ...], seeds: tuple[int, ...], calendar_year: int) -> Self:
        """Return the years of a setting that was made from these sites."""
        return cls(
            setting,
            tuple(
                make_year(site, single_year(setting, index), seed=seed, calendar_year=calendar_year)
                for index, (site, seed) in enumerate(zip(sites, seeds, strict=True))
            ),
        )
