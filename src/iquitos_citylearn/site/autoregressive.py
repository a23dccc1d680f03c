"""Stationary first-order autoregressive noise."""

import numpy as np
from scipy.signal import lfilter

from iquitos_citylearn.site.model import FloatArray


def ar1(rng: np.random.Generator, n_steps: int, lag1: float) -> FloatArray:
    """Draw a stationary AR(1) series with mean 0 and variance 1.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    n_steps : int
        Length.
    lag1 : float
        Autocorrelation at lag 1, above -1 and below 1.

    Returns
    -------
    ndarray, shape (n_steps,)
        x[t] = lag1 x[t-1] + sqrt(1 - lag1^2) e[t], with e standard normal and x[0] = e[0].
    """
    innovation = rng.standard_normal(n_steps)
    innovation[1:] *= np.sqrt(1 - lag1**2)
    return np.asarray(lfilter([1.0], [1.0, -lag1], innovation))
