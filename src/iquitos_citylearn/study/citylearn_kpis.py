"""CityLearn's own key figures of the headline year, from the actions of a published trace.

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
ev_energy_accounting_shortfall_kwh          `ev_unmet_kwh`          it holds energy gained against energy charged,
                                                                    ours lacks of cars
==========================================  ======================  ==================================================

References
----------
CityLearn 3.0.2, `citylearn/internal/kpi.py`.
"""

from pathlib import Path

import pandas as pd

from iquitos_citylearn.env.citylearn import CityLearnSimulator
from iquitos_citylearn.site.dataset_reader import read_dataset

ACTION_PREFIX = "action_"


def citylearn_kpis(schema: Path, trace: Path) -> dict[str, float]:
    """Run the actions of a trace through the whole year in one piece and return CityLearn's figures of the site.

    Parameters
    ----------
    schema : Path
        Data set of the year.
    trace : Path
        `trace_<POLICY>.csv`; its columns `action_<charger>` are taken.

    Returns
    -------
    dict
        Every figure of the district that is a number, by CityLearn's name.
    """
    site = read_dataset(schema)
    columns = [f"{ACTION_PREFIX}{charger.name}" for charger in site.chargers]
    actions = pd.read_csv(trace, usecols=columns)[columns].to_numpy()
    simulator = CityLearnSimulator(schema, site)
    for action in actions:
        simulator.step(action)
    return simulator.key_figures()
