"""Years of a policy on the twin, side by side: `src/iquitos_citylearn/policies/rollout.py`."""

import numpy as np
import pytest

from iquitos_citylearn.env.setting import single_year
from iquitos_citylearn.policies.rollout import roll_out_years, trace_years
from iquitos_citylearn.policies.rules import ConstantPolicy
from tests.small import setting_of, small_site, years_of


@pytest.fixture(scope="module")
def setting(params):
    """Two years of a site with three chargers."""
    site = small_site(3)
    return setting_of([site, *years_of(site, 1)], params)


def test_years_side_by_side_are_the_years_one_by_one(setting):
    policy = ConstantPolicy(0.3, 3)
    for index, side_by_side in enumerate(zip(*trace_years(policy, setting, n_traced=2), strict=True)):
        one = single_year(setting, index)
        for series, (alone,) in zip(side_by_side, trace_years(policy, one, n_traced=1), strict=True):
            for name in vars(alone):
                np.testing.assert_array_equal(getattr(series, name), getattr(alone, name), err_msg=name)


def test_no_more_years_are_traced_than_there_are(setting):
    with pytest.raises(ValueError, match="n_traced is 3; it must be between 0 and 2"):
        trace_years(ConstantPolicy(0.3, 3), setting, n_traced=3)


def test_what_came_of_a_year_is_the_same_whether_it_is_traced_or_not(setting):
    plain = roll_out_years(ConstantPolicy(0.3, 3), setting)
    rollouts, traces = trace_years(ConstantPolicy(0.3, 3), setting, n_traced=1)
    assert (len(rollouts), len(traces)) == (2, 1)
    np.testing.assert_array_equal(traces[0].charger_kwh.sum(axis=1), plain[0].ev_kwh)
    for rollout, other in zip(rollouts, plain, strict=True):
        for name in vars(other):
            np.testing.assert_array_equal(getattr(rollout, name), getattr(other, name), err_msg=name)
