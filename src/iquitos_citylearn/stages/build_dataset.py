"""Stage build_dataset: the headline year as a CityLearn data set, the training draws in compact files."""

import logging
from pathlib import Path

from iquitos_citylearn.artifacts import write_json
from iquitos_citylearn.params import Params
from iquitos_citylearn.site.dataset import write_dataset
from iquitos_citylearn.site.draw import draw_site
from iquitos_citylearn.site.storage import replace_folder, write_draw
from iquitos_citylearn.site.summary import summarise

logger = logging.getLogger(__name__)


def build_dataset(params: Params, data_folder: Path, metrics_folder: Path) -> None:
    """Write `data/site`, `data/training/<seed>` and `metrics/dataset.json`; nothing before all years are drawn."""
    draws = params.site.draws
    peak_hours = params.environment.evening_peak_hours
    headline = draw_site(params.site, draws.headline_seed, peak_hours)
    training = {seed: draw_site(params.site, seed, peak_hours) for seed in draws.training_seeds}
    summary = summarise(params.site, headline, training)

    def write_training(folder: Path) -> None:
        for seed, (site, _) in training.items():
            write_draw(site, folder / str(seed))

    replace_folder(data_folder / "site", lambda folder: write_dataset(headline[0], folder))
    replace_folder(data_folder / "training", write_training)
    write_json(metrics_folder / "dataset.json", summary)
    for warning in summary["warnings"]:
        logger.warning(warning)
