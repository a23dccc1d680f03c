"""`make study`: run the cases and the further analyses, and keep the small result files."""

import logging
import shutil
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from iquitos_citylearn.evaluation.years import read_evaluation_years
from iquitos_citylearn.optimum.front import co2_against_peak
from iquitos_citylearn.params import Actions, load_params
from iquitos_citylearn.policies.register import policies_of
from iquitos_citylearn.runtime.artifacts import write_csv, write_json
from iquitos_citylearn.runtime.folders import DATA, METRICS, REFERENCES
from iquitos_citylearn.runtime.processes import run_in_processes
from iquitos_citylearn.stages.compare import result_files, write_comparison
from iquitos_citylearn.study.case import CaseError, prepare_case, run_case
from iquitos_citylearn.study.citylearn_kpis import figures_of_policy
from iquitos_citylearn.study.decomposition import decompose
from iquitos_citylearn.study.drawn_case import DrawnCase, draw_case
from iquitos_citylearn.study.forecasts import captured_by_forecast, forecast_errors
from iquitos_citylearn.study.summary import RESULTS, write_summary
from iquitos_citylearn.study.twin_tables import DECOMPOSITION, FORECAST_COSTS, FORECAST_ERRORS
from iquitos_citylearn.tools.overlay import load_overlaid

logger = logging.getLogger(__name__)

OVERLAYS, CASES = Path("study/params"), Path(".study")
KEPT = ("references.json", "environment.json")
PARAMS = Path("params.yaml")
PRICED = OVERLAYS / "demand_charge.yaml"
"""Case in which the battery's dispatch has a price."""
FAILURES = (CaseError, ValueError, OSError, RuntimeError)


def study_case(overlay: Path) -> None:
    """Run the pipeline on an overlay and keep its small results."""
    folder = CASES / overlay.stem
    prepare_case(folder, overlay, from_run=True)
    run_case(folder)
    target, params = RESULTS / overlay.stem, load_params(folder / PARAMS)
    write_comparison(result_files(params, folder / METRICS), folder / REFERENCES, params, target)
    for name in KEPT:
        shutil.copyfile(folder / METRICS / name, target / name)
    _sign(target, overlay.stem)


def study_front() -> None:
    """Find the front of CO2 against peak import of the headline year."""
    years = read_evaluation_years(load_params(PARAMS), DATA, Actions("raw"))
    front = co2_against_peak(years[0])
    target = RESULTS / "front"
    write_csv(target / "co2_against_peak.csv", front)
    _sign(target, "front")


def study_kpis() -> None:
    """Record CityLearn's own figures of the headline year for every policy whose headline year is published."""
    replayed = [entry.name for entry in policies_of(load_params(PARAMS)) if entry.replayed_in_full]
    figures = run_in_processes(figures_of_policy, replayed)
    target = RESULTS / "citylearn_kpis"
    write_json(target / "evaluate_v2.json", dict(zip(replayed, figures, strict=True)))
    _sign(target, "citylearn_kpis")


def study_decomposition() -> None:
    """Find where the saving of cost lies, on the twin; no model is needed."""
    write_csv(RESULTS / DECOMPOSITION, decompose(_priced_case()))
    _sign(RESULTS / DECOMPOSITION.parent, "decomposition")


def study_forecast() -> None:
    """Find the errors of the forecasts and what better ones are worth, on the twin; no model is needed."""
    case = _priced_case()
    write_csv(RESULTS / FORECAST_ERRORS, forecast_errors(case))
    write_csv(RESULTS / FORECAST_COSTS, captured_by_forecast(case))
    _sign(RESULTS / FORECAST_COSTS.parent, "forecast")


def _priced_case() -> DrawnCase:
    return draw_case(load_overlaid(PARAMS, PRICED))


def parts() -> Mapping[str, Callable[[], None]]:
    """Return every part of the study by name: a case per overlay, and the further analyses."""
    cases = {overlay.stem: partial(study_case, overlay) for overlay in sorted(OVERLAYS.glob("*.yaml"))}
    further = {"decomposition": study_decomposition, "forecast": study_forecast}
    return {"front": study_front, "citylearn_kpis": study_kpis, **further, **cases}


def main(names: list[str]) -> None:
    """Run the parts named, or all; one that fails does not keep the others from running.

    Raises
    ------
    ValueError
        For an unknown name; lists the valid ones.
    CaseError
        At the end, with every part that failed.
    """
    known = parts()
    for name in names:
        if name not in known:
            raise ValueError(f"part is {name!r}; valid are {', '.join(known)}")
    failures = []
    for name in names or known:
        logger.info("study: %s", name)
        try:
            known[name]()
        except FAILURES as error:
            logger.error("study: %s failed: %s", name, error)  # noqa: TRY400 - the message says it all
            failures.append(name)
    write_summary()
    if failures:
        raise CaseError(f"these parts failed: {', '.join(failures)}; the log above says why")


def _sign(target: Path, part: str) -> None:
    write_json(target / "run.json", {"command": f"make study PART={part}", "date": f"{datetime.now(UTC):%Y-%m-%d}"})


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        main(sys.argv[1:])
    except FAILURES as error:
        sys.exit(f"error: {error}")
