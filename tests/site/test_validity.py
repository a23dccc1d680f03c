from dataclasses import replace

import numpy as np
import pytest

from iquitos_citylearn.site.model import Sessions
from iquitos_citylearn.site.validity import session_problem
from tests.sites import random_site

SESSIONS = Sessions(
    charger=np.array([0, 0, 1]),
    arrival_step=np.array([0, 7, 3]),
    departure_step=np.array([6, 9, 10]),
    arrival_soc=np.array([0.0, 0.2, 0.3]),
    required_soc=np.array([0.9, 1.0, 0.8]),
)
FREE = "sorted by charger, with a free row after the session before"


def test_valid_sessions_have_no_problem():
    assert session_problem(SESSIONS, 10, 2) is None
    for seed in range(20):
        site = random_site(np.random.default_rng(seed), 4)
        assert session_problem(site.sessions, site.n_steps, site.n_chargers) is None


@pytest.mark.parametrize(
    ("field", "row", "value", "allowed"),
    [
        ("charger", 0, -1, "0 to 1"),
        ("charger", 2, 2, "0 to 1"),
        ("arrival_step", 0, -1, "0 or more"),
        ("arrival_step", 1, 6, FREE),
        ("departure_step", 1, 7, "after arrival_step"),
        ("departure_step", 2, 11, "at most 10, the steps of the site"),
        ("arrival_soc", 1, -0.1, "0 to 1"),
        ("required_soc", 2, 1.5, "0 to 1"),
        ("required_soc", 2, np.nan, "0 to 1"),
    ],
)
def test_a_problem_names_field_row_and_value(field, row, value, allowed):
    values = getattr(SESSIONS, field).copy()
    values[row] = value
    found = session_problem(replace(SESSIONS, **{field: values}), 10, 2)
    assert (found.field, found.row, found.allowed) == (field, row, allowed)
    np.testing.assert_equal(found.value, value)


def test_sessions_must_be_sorted_by_charger():
    # The second session belongs to charger 0, the first one to charger 1.
    unsorted = replace(SESSIONS, charger=np.array([1, 0, 1]))
    assert session_problem(unsorted, 10, 2) == ("arrival_step", 1, 7, FREE)
