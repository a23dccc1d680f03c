"""The years that policies are run over: the headline year and further draws for evaluation, and the training years."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from iquitos_citylearn.env.arrays import session_rows
from iquitos_citylearn.env.setting import Setting, make_setting, single_year
from iquitos_citylearn.optimum.delivery import feasible_delivery
from iquitos_citylearn.params import Params
from iquitos_citylearn.site.citylearn_files.reader import read_dataset
from iquitos_citylearn.site.draw_files import read_draw
from iquitos_citylearn.site.model import FloatArray, Site

SCHEMA = Path("site", "schema.json")
EVALUATION, TRAINING = Path("evaluation"), Path("training")
FIRST_EVALUATION_FORECAST_KEY = 1000
"""The headline year has forecast key 0, training years 1, 2, ...: no two years share their forecast errors."""


@dataclass(frozen=True)
class Years:
    """Years of one site, ready to be run.

    Attributes
    ----------
    seeds : tuple of int
        What each was drawn from: its name.
    sites : tuple of Site
        The years.
    setting : Setting
        All of them, for policies of one action mapping.
    target_soc : tuple of ndarray, shape (n_sessions,)
        Of each year, what each car could leave with: its need, as far as full power from arrival and the import limit
        let it.
    calendar_year : int
        The year that row 0 of each starts.
    """

    seeds: tuple[int, ...]
    sites: tuple[Site, ...]
    setting: Setting
    target_soc: tuple[FloatArray, ...]
    calendar_year: int

    def setting_of(self, index: int) -> Setting:
        """Return a setting with one year as the only one."""
        return single_year(self.setting, index)


class _Read(NamedTuple):
    seeds: tuple[int, ...]
    sites: tuple[Site, ...]
    forecast_keys: tuple[int, ...]


def read_evaluation_years(params: Params, data_folder: Path, action_mapping: str) -> Years:
    """Read the years that no agent trains on, the headline year first, for policies of one action mapping.

    Raises
    ------
    DatasetError, DrawFileError
        If one is missing or damaged.
    """
    return make_evaluated_years(params, *_evaluation_years(params, data_folder), action_mapping)


def read_training_years(params: Params, data_folder: Path, action_mapping: str) -> Years:
    """Read the years that agents train on, with the forecasts that they saw.

    Raises
    ------
    DrawFileError
        If one is missing or damaged.
    """
    return make_evaluated_years(params, *_training_years(data_folder), action_mapping)


def read_all_years(params: Params, data_folder: Path, action_mapping: str) -> Years:
    """Read the evaluation years and, after them, the training years; the same errors."""
    first, then = _evaluation_years(params, data_folder), _training_years(data_folder)
    both = _Read(first.seeds + then.seeds, first.sites + then.sites, first.forecast_keys + then.forecast_keys)
    return make_evaluated_years(params, *both, action_mapping)


def _evaluation_years(params: Params, data_folder: Path) -> _Read:
    draws = params.site.draws
    headline = read_dataset(data_folder / SCHEMA)
    others = [read_draw(data_folder / EVALUATION / str(seed)) for seed in draws.evaluation_seeds]
    keys = (FIRST_EVALUATION_FORECAST_KEY + index for index in range(len(others)))
    return _Read((draws.headline_seed, *draws.evaluation_seeds), (headline, *others), (0, *keys))


def _training_years(data_folder: Path) -> _Read:
    folders = sorted((data_folder / TRAINING).iterdir())
    sites = tuple(map(read_draw, folders))
    return _Read(tuple(int(folder.name) for folder in folders), sites, tuple(range(1, len(sites) + 1)))


def make_evaluated_years(
    params: Params, seeds: Sequence[int], sites: Sequence[Site], forecast_keys: Sequence[int], action_mapping: str
) -> Years:
    """Prepare years of one site for policies of one action mapping."""
    setting = make_setting(sites, params.environment, params.reward, action_mapping, forecast_keys)
    targets = tuple(_target_soc(single_year(setting, index), site) for index, site in enumerate(sites))
    return Years(tuple(seeds), tuple(sites), setting, targets, params.site.calendar.year)


def _target_soc(setting: Setting, site: Site) -> FloatArray:
    sessions, equipment = site.sessions, setting.equipment
    if not equipment.import_limited:
        target_soc: FloatArray = setting.tables.target_soc[0, session_rows(setting.years, 0, sessions)]
        return target_soc
    soc_per_kwh = (equipment.charger_efficiency / equipment.ev_capacity_kwh)[sessions.charger]
    return sessions.arrival_soc + feasible_delivery(setting, sessions) * soc_per_kwh
