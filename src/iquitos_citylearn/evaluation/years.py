"""The years that policies are run over: the headline year and further draws for evaluation, and the training years."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from iquitos_citylearn.env.setting import make_setting
from iquitos_citylearn.env.year import Years
from iquitos_citylearn.optimum.delivery import with_feasible_targets
from iquitos_citylearn.params import Actions, Params
from iquitos_citylearn.site.citylearn_files.reader import read_dataset
from iquitos_citylearn.site.draw_files import read_draw
from iquitos_citylearn.site.expectations import Expectations, read_expectations
from iquitos_citylearn.site.model import Site

SCHEMA = Path("site", "schema.json")
EVALUATION, TRAINING = Path("evaluation"), Path("training")
EXPECTATIONS = Path("expectations.json")
FIRST_EVALUATION_FORECAST_KEY = 1000
"""The headline year has forecast key 0, training years 1, 2, ...: no two years share their forecast errors."""


class _Read(NamedTuple):
    seeds: tuple[int, ...]
    sites: tuple[Site, ...]
    forecast_keys: tuple[int, ...]


def read_evaluation_years(params: Params, data_folder: Path, actions: Actions) -> Years:
    """Read the years that no agent trains on, the headline year first, for policies whose actions mean the same.

    Raises
    ------
    DatasetError, DrawFileError, ArtifactError
        If one is missing or damaged, or the expectations are.
    """
    return _make_years(params, data_folder, _evaluation_years(params, data_folder), actions)


def read_training_years(params: Params, data_folder: Path, actions: Actions) -> Years:
    """Read the years that agents train on, with the forecasts that they saw.

    Raises
    ------
    DrawFileError, ArtifactError
        If one is missing or damaged, or the expectations are.
    """
    return _make_years(params, data_folder, _training_years(data_folder), actions)


def read_all_years(params: Params, data_folder: Path, actions: Actions) -> Years:
    """Read the evaluation years and, after them, the training years; the same errors."""
    first, then = _evaluation_years(params, data_folder), _training_years(data_folder)
    both = _Read(first.seeds + then.seeds, first.sites + then.sites, first.forecast_keys + then.forecast_keys)
    return _make_years(params, data_folder, both, actions)


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


def _make_years(params: Params, data_folder: Path, read: _Read, actions: Actions) -> Years:
    expectations = read_expectations(data_folder / EXPECTATIONS)
    return make_evaluated_years(params, *read, actions, expectations)


def make_evaluated_years(
    params: Params,
    seeds: Sequence[int],
    sites: Sequence[Site],
    forecast_keys: Sequence[int],
    actions: Actions,
    expectations: Expectations | None = None,
) -> Years:
    """Prepare years of one site for policies whose actions mean the same; expectations as for `make_setting`."""
    setting = make_setting(
        sites,
        params.environment,
        params.reward,
        actions.chargers,
        forecast_keys,
        bess_mapping=actions.bess,
        expectations=expectations,
    )
    years = Years.of(setting, tuple(sites), tuple(seeds), params.site.calendar.year)
    return replace(years, years=tuple(map(with_feasible_targets, years)))
