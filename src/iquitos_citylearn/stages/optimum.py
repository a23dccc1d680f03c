"""Stage baseline@optimum: the plan of least CO2, replayed on the headline year, with the bounds beside it."""

from pathlib import Path
from typing import Any

from iquitos_citylearn.evaluation import Candidate, evaluate, read_headline_year
from iquitos_citylearn.optimum.objectives import OBJECTIVES
from iquitos_citylearn.optimum.optimiser import Optimiser
from iquitos_citylearn.params import Params


def evaluate_optimum(params: Params) -> None:
    """Write result, time series and trace of the plan of least CO2; `optimum` in the result holds every objective."""
    year = read_headline_year(params, Path("data/site/schema.json"), "raw")
    optimiser = Optimiser(year.setting, year.site.sessions)
    optima = {name: optimiser.optimum(name) for name in OBJECTIVES}
    figures: dict[str, Any] = {name: optimum.summary() for name, optimum in optima.items()}
    note = {"bound_out_of_reach": year.site.bess is not None and year.site.bess_automatic}
    candidate = Candidate(None, optima["co2"].policy, {})
    evaluate("OPTIMUM", [candidate], year, Path("metrics"), extra={"optimum": figures | note})
