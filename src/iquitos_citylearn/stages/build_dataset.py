"""Stage build_dataset: the headline year as a CityLearn data set, all other draws in compact files."""

import logging
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from iquitos_citylearn.params import Params
from iquitos_citylearn.runtime.artifacts import write_json
from iquitos_citylearn.runtime.processes import run_in_processes
from iquitos_citylearn.site.citylearn_files.writer import write_dataset
from iquitos_citylearn.site.draw import DrawReport, draw_site
from iquitos_citylearn.site.draw_files import replace_folder, write_draw
from iquitos_citylearn.site.expectations import fit_expectations, write_expectations
from iquitos_citylearn.site.model import Site
from iquitos_citylearn.site.summary import summarise

logger = logging.getLogger(__name__)


def build_dataset(params: Params, data_folder: Path, metrics_folder: Path) -> None:
    """Write all of `data/` that is made (site, training and evaluation years, expectations) and `metrics/dataset.json`.

    Years are drawn in processes side by side; nothing is written before all are drawn.
    """
    draws = params.site.draws
    seeds = (draws.headline_seed, *draws.training_seeds, *draws.evaluation_seeds)
    draw = partial(draw_site, params.site)
    drawn = dict(zip(seeds, run_in_processes(draw, seeds), strict=True))
    headline = drawn[draws.headline_seed]
    training = {seed: drawn[seed] for seed in draws.training_seeds}
    evaluation = {seed: drawn[seed] for seed in draws.evaluation_seeds}
    summary = summarise(params.site, headline, training, evaluation)
    replace_folder(data_folder / "site", lambda folder: write_dataset(headline[0], folder))
    replace_folder(data_folder / "training", partial(_write_draws, training))
    replace_folder(data_folder / "evaluation", partial(_write_draws, evaluation))
    write_expectations(data_folder / "expectations.json", fit_expectations([site for site, _ in training.values()]))
    write_json(metrics_folder / "dataset.json", summary)
    for warning in summary["warnings"]:
        logger.warning(warning)


def _write_draws(draws: Mapping[int, tuple[Site, DrawReport]], folder: Path) -> None:
    for seed, (site, _) in draws.items():
        write_draw(site, folder / str(seed))
