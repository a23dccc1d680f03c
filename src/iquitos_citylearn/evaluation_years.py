"""The years that policies are run over: the headline year and further draws for evaluation, and the training years."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from iquitos_citylearn.env.setting import Setting, make_setting, single_year
from iquitos_citylearn.params import Params
from iquitos_citylearn.site.dataset_reader import read_dataset
from iquitos_citylearn.site.model import Site
from iquitos_citylearn.site.storage import read_draw

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
    calendar_year : int
        The year that row 0 of each starts.
    """

    seeds: tuple[int, ...]
    sites: tuple[Site, ...]
    setting: Setting
    calendar_year: int

    def setting_of(self, index: int) -> Setting:
        """Return a setting with one year as the only one."""
        return single_year(self.setting, index)


def read_evaluation_years(params: Params, data_folder: Path, action_mapping: str) -> Years:
    """Read the years that no agent trains on, the headline year first, for policies of one action mapping.

    Raises
    ------
    DatasetError, DrawFileError
        If one is missing or damaged.
    """
    draws = params.site.draws
    headline = read_dataset(data_folder / SCHEMA)
    others = [read_draw(data_folder / EVALUATION / str(seed)) for seed in draws.evaluation_seeds]
    sites = [headline, *others]
    keys = [0, *(FIRST_EVALUATION_FORECAST_KEY + index for index in range(len(others)))]
    return make_evaluated_years(params, (draws.headline_seed, *draws.evaluation_seeds), sites, keys, action_mapping)


def read_training_years(params: Params, data_folder: Path, action_mapping: str) -> Years:
    """Read the years that agents train on, with the forecasts that they saw.

    Raises
    ------
    DrawFileError
        If one is missing or damaged.
    """
    folders = sorted((data_folder / TRAINING).iterdir())
    sites, keys = [read_draw(folder) for folder in folders], range(1, len(folders) + 1)
    return make_evaluated_years(params, [int(folder.name) for folder in folders], sites, keys, action_mapping)


def make_evaluated_years(
    params: Params, seeds: Sequence[int], sites: Sequence[Site], forecast_keys: Sequence[int], action_mapping: str
) -> Years:
    """Prepare years of one site for policies of one action mapping."""
    setting = make_setting(sites, params.environment, params.reward, action_mapping, forecast_keys)
    return Years(tuple(seeds), tuple(sites), setting, params.site.calendar.year)
