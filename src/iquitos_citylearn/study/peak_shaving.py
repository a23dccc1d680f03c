"""A rule for a battery that is dispatched: cars get their need at once, the battery shaves the peak of the night.

It runs in the folder of a case, after its pipeline, and writes `result_PEAK_SHAVING.json` there.
"""

import sys
from pathlib import Path

import numpy as np

from iquitos_citylearn.env.physics import dispatches_bess
from iquitos_citylearn.evaluation.candidates import Candidate, certify_and_write, evaluation_of, run_candidate
from iquitos_citylearn.evaluation.references import read_references
from iquitos_citylearn.evaluation.years import read_evaluation_years
from iquitos_citylearn.params import Params, SiteParams, load_params
from iquitos_citylearn.policies.battery_rules import PeakShaving
from iquitos_citylearn.runtime.folders import DATA, METRICS, REFERENCES, RUNS
from iquitos_citylearn.site.model import FloatArray
from iquitos_citylearn.stages.rules import rule_policy

CARS = "required"
PEAK_SHAVING = "PEAK_SHAVING"


def expected_load_kw(site: SiteParams) -> FloatArray:
    """Return the load that a planner knows to expect by hour of the day, shape (24,) [kW].

    The mall's hourly means, and the energy that cars request in a day spread over the hours that the site is open.
    """
    load_kw = np.array(site.mall.hourly_mean_kw, dtype=np.float64)
    charging = site.charging
    hours = slice(charging.opening_hour, charging.closing_hour)
    site_kwh = charging.energy_requested_kwh_per_day / charging.charger_efficiency
    load_kw[hours] += site_kwh / (charging.closing_hour - charging.opening_hour)
    return load_kw


def evaluate_peak_shaving(params: Params) -> bool:
    """Write the rule's result; return whether the battery is the agent's at all, so that there is one."""
    years = read_evaluation_years(params, DATA, "need_limited")
    if not dispatches_bess(years.setting.equipment):
        return False
    cars = rule_policy(CARS, params, years.setting)
    policy = PeakShaving(cars, years.setting, expected_load_kw(params.site))
    references = read_references(REFERENCES, years.seeds)
    run = run_candidate(Candidate(None, policy, {}), years, references)
    certify_and_write(evaluation_of(PEAK_SHAVING, [run], years, references), METRICS, run_folder=RUNS, schema=None)
    return True


if __name__ == "__main__":
    try:
        evaluate_peak_shaving(load_params(Path("params.yaml")))
    except (ValueError, OSError, RuntimeError) as error:
        sys.exit(f"error: {error}")
