"""What makes a charging session valid: one rule for the files, the data set and the simulator."""

from typing import NamedTuple

import numpy as np

from iquitos_citylearn.site.model import Sessions


class SessionProblem(NamedTuple):
    """First value of a list of sessions that is not allowed.

    Attributes
    ----------
    field : str
        Field of `Sessions`.
    row : int
        Row of the session, from 0.
    value : float
        The value.
    allowed : str
        What is allowed there.
    """

    field: str
    row: int
    value: float
    allowed: str


def session_problem(sessions: Sessions, n_steps: int, n_chargers: int) -> SessionProblem | None:
    """Return the first problem of the sessions of a site, None where all are valid.

    Parameters
    ----------
    sessions : Sessions
        The sessions.
    n_steps, n_chargers : int
        Steps and chargers of the site.

    Notes
    -----
    A session takes at least one step and ends by the last one; states of charge are fractions. Sessions are sorted by
    charger, then by arrival, and a charger has a free row between two of them: CityLearn's files tell two
    sessions apart only by a row without a car.
    """
    charger, arrival, departure = sessions.charger, sessions.arrival_step, sessions.departure_step
    follows = np.ones(len(sessions), dtype=np.bool_)
    follows[1:] = (charger[1:] > charger[:-1]) | ((charger[1:] == charger[:-1]) & (arrival[1:] > departure[:-1]))
    rules = [
        ("charger", (charger >= 0) & (charger < n_chargers), f"0 to {n_chargers - 1}"),
        ("arrival_step", arrival >= 0, "0 or more"),
        ("departure_step", departure > arrival, "after arrival_step"),
        ("departure_step", departure <= n_steps, f"at most {n_steps}, the steps of the site"),
        ("arrival_soc", (sessions.arrival_soc >= 0) & (sessions.arrival_soc <= 1), "0 to 1"),
        ("required_soc", (sessions.required_soc >= 0) & (sessions.required_soc <= 1), "0 to 1"),
        ("arrival_step", follows, "sorted by charger, with a free row after the session before"),
    ]
    for field, valid, allowed in rules:
        if not valid.all():
            row = int(np.argmin(valid))
            return SessionProblem(field, row, getattr(sessions, field)[row], allowed)
    return None
