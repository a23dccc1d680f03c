"""CityLearn's own key figures of the headline year, from the actions of a policy.

==========================================  ======================  ==================================================
CityLearn (`evaluate_v2`, `district_...`)   ours                    difference
==========================================  ======================  ==================================================
energy_grid_total_import_control_kwh        `grid_import_kwh`       none
energy_grid_total_export_control_kwh        `grid_export_kwh`       none
emissions_total_control_kgco2               `co2_kg`                rounding to float32
cost_total_control_eur                      `cost_usd`              rounding to float32; exports earn nothing in both;
                                                                    the tariff's unit, whatever the name says
ev_total_charge_kwh                         `ev_charging_kwh`       none
..._baseline, ..._delta, ..._to_baseline    captured shares         its baseline is the site without battery and
                                                                    without cars, ours charging at once to full
ev_performance_departure_success_ratio      `ev_service`            it counts cars that reached what they asked for,
                                                                    ours those within 0.01 of what was feasible
energy_grid_shape_quality_peak_..._ratio    `peak_import_kw`        highest import (of all, or mean of the days'
                                                                    highest) over that of its baseline, no kW
battery_total_charge, _discharge, _throughput  time series          none; throughput counts both ways
ev_energy_accounting_shortfall_kwh          `ev_unmet_kwh`          it holds energy gained against energy charged,
                                                                    ours lacks of cars
==========================================  ======================  ==================================================

References
----------
CityLearn 3.0.2, `citylearn/internal/kpi.py`.
"""

from pathlib import Path

from iquitos_citylearn.env.citylearn import CityLearnSimulator
from iquitos_citylearn.evaluation.years import SCHEMA
from iquitos_citylearn.params import load_params
from iquitos_citylearn.policies.register import policy_named
from iquitos_citylearn.policies.rollout import Trace
from iquitos_citylearn.runtime.folders import DATA
from iquitos_citylearn.site.citylearn_files.reader import read_dataset
from iquitos_citylearn.stages.trace import run_again


def figures_of_policy(policy: str) -> dict[str, float]:
    """Return CityLearn's own figures of a policy whose headline year is published here (`citylearn_kpis`)."""
    params = load_params(Path("params.yaml"))
    _, trace, _ = run_again(policy_named(policy, params), params)
    return citylearn_kpis(DATA / SCHEMA, trace)


def citylearn_kpis(schema: Path, trace: Trace) -> dict[str, float]:
    """Run the actions of a year through CityLearn in one piece and return its own figures of the site.

    Parameters
    ----------
    schema : Path
        Data set of the year.
    trace : Trace
        Whose actions.

    Returns
    -------
    dict
        Every figure of the district that is a number, by CityLearn's name.
    """
    simulator = CityLearnSimulator(schema, read_dataset(schema))
    for charger_action, bess_action in zip(trace.charger_action, trace.bess_action, strict=True):
        simulator.step(charger_action, float(bess_action))
    return simulator.key_figures()
