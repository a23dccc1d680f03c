"""Command fit-level: the constants of the rule `level`, fitted to the training years of the data set."""

import logging
from datetime import UTC, datetime

import yaml

from iquitos_citylearn.evaluation.fit_level import fit_level
from iquitos_citylearn.evaluation.years import read_training_years
from iquitos_citylearn.params import Params
from iquitos_citylearn.policies.register import policy_named
from iquitos_citylearn.runtime.folders import DATA

logger = logging.getLogger(__name__)


def fitted_constants(params: Params, *, seed: int, generations: int) -> str:
    """Return lines for `params.yaml`, with date, seed and what the constants save on the training years."""
    years = read_training_years(params, DATA, policy_named("level", params).actions)
    fit = fit_level(years, params, seed=seed, generations=generations, report=logger.info)
    today = datetime.now(UTC).date().isoformat()
    lines = yaml.safe_dump({"environment": {"level": fit.constants.model_dump()}}, sort_keys=False)
    return (
        f"# Fitted {today}, seed {seed}, {generations} generations, training years {', '.join(map(str, years.seeds))}: "
        f"{fit.cost_usd:,.0f} USD a year, {fit.cost_before_usd:,.0f} before.\n{lines}"
    )
