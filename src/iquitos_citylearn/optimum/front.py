"""CO2 against the highest import: what a lower peak costs, by epsilon-constraint (Haimes et al., 1971).

References
----------
Haimes, Lasdon, Wismer (1971), On a bicriterion formulation of the problems of integrated system identification and
system optimization, IEEE Trans. Syst. Man Cybern. SMC-1, 296-297.
"""

import numpy as np
import pandas as pd

from iquitos_citylearn.env.year import Year
from iquitos_citylearn.optimum.objectives import OBJECTIVES
from iquitos_citylearn.optimum.optimiser import PEAK_TOLERANCE_KW, Optimiser
from iquitos_citylearn.policies.rollout import roll_out

FEWEST_POINTS = 2
CO2_TOLERANCE = 1e-9
"""Share of the least CO2 within which a plan still counts as one of least CO2."""


def co2_against_peak(year: Year, n_points: int = 12) -> pd.DataFrame:
    """Return the front between least peak and least CO2, and how its plans replay.

    The limits are evenly spaced from the least peak to the least peak among the plans of least CO2, or to that of
    charging at once up to the need where that is higher: without a conflict CO2 is the same all along.

    Parameters
    ----------
    year : Year
        The year, under the mapping `raw`.
    n_points : int
        Number of points, 2 at least.

    Returns
    -------
    DataFrame, one row per point, the tightest limit first
        `peak_limit_kw`; `co2_kg` and `peak_import_kw` of the linear program (the battery's dispatch free in time:
        the bound); `replayed_co2_kg` and `replayed_peak_import_kw` of its plan in the simulator.
    """
    if n_points < FEWEST_POINTS:
        raise ValueError(f"n_points is {n_points}; a front has {FEWEST_POINTS} at least")
    optimiser = Optimiser(year)
    rows = []
    for limit_kw in np.linspace(*_peak_range(year, optimiser), n_points):
        solution = optimiser.least_co2(float(limit_kw))
        rollout = roll_out(optimiser.policy(solution), year)
        rows.append(
            {
                "peak_limit_kw": float(limit_kw),
                "co2_kg": solution.value,
                "peak_import_kw": float(solution.import_kwh.max()),
                "replayed_co2_kg": OBJECTIVES["co2"].figure(rollout, year),
                "replayed_peak_import_kw": OBJECTIVES["peak_import"].figure(rollout, year),
            }
        )
    return pd.DataFrame(rows)


def _peak_range(year: Year, optimiser: Optimiser) -> tuple[float, float]:
    """Return the least peak, a hair of tolerance added, and the one from which on CO2 is least."""
    peak = OBJECTIVES["peak_import"].prices(year)
    least_kw = optimiser.program.minimise(peak).value + PEAK_TOLERANCE_KW
    carbon = year.setting.years.carbon_kg_per_kwh[0]
    least_kg = optimiser.least_co2(float("inf")).value
    other = Optimiser(year)
    other.program.limit_import_cost(carbon, least_kg * (1.0 + CO2_TOLERANCE))
    enough_kw = other.program.minimise(peak).value
    at_once = OBJECTIVES["peak_import"].figure(roll_out(optimiser.at_once(), year), year)
    return least_kw, max(least_kw, enough_kw, at_once)
