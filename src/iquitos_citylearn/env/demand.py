"""The demand charge as a series: what is paid for the highest import of each month, in the hours that lift it."""

import numpy as np

from iquitos_citylearn.site.model import FloatArray, IntArray


def month_starts(month: IntArray) -> FloatArray:
    """Return 1 in the steps that start a month (the first step does), else 0, from each step's month."""
    return np.asarray(np.diff(month, prepend=0) != 0, dtype=np.float64)


def peak_rises_kw(import_kwh: FloatArray, month_start: FloatArray) -> FloatArray:
    """Return by how much each hour lifts the highest import of its month so far.

    Parameters
    ----------
    import_kwh, month_start : ndarray, shape (n_steps,)
        Grid import [kWh], and 1 where a month starts (`month_starts`).

    Returns
    -------
    ndarray, shape (n_steps,)
        Rises [kW]; those of a month sum to its highest import.
    """
    months = np.split(import_kwh, np.flatnonzero(month_start)[1:])
    return np.concatenate([np.diff(np.maximum.accumulate(hours), prepend=0.0) for hours in months])


def demand_cost_usd(import_kwh: FloatArray, month_start: FloatArray, charge_usd_per_kw: float) -> FloatArray:
    """Return the demand charge of each hour, shape (n_steps,) [USD]."""
    return charge_usd_per_kw * peak_rises_kw(import_kwh, month_start)
