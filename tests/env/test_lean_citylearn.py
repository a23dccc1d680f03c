import math
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from iquitos_citylearn.env import lean_citylearn
from iquitos_citylearn.env.citylearn import CityLearnSimulator
from iquitos_citylearn.env.lean_citylearn import refuse_other_citylearn
from tests.env.test_twin_equals_citylearn import BESS, assert_same_run, large_site, random_actions, stored
from tests.sites import random_site

NUMBERS = st.floats(-2.0, 2.0) | st.just(math.nan)


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1), bess=st.sampled_from(BESS), limited=st.booleans())
def test_what_is_left_out_changes_nothing(tmp_path_factory, seed, bess, limited):
    rng = np.random.default_rng(seed)
    site = random_site(rng, int(rng.integers(1, 4)), int(rng.integers(26, 60)), bess=bess)
    if limited and bess != "automatic":
        site = replace(site, import_limit_kw=float(rng.uniform(0, 60)))
    schema, site = stored(site, tmp_path_factory.mktemp("site"))
    plain = CityLearnSimulator(schema, site, silent=False, check_invariants=True)
    assert_same_run(plain, CityLearnSimulator(schema, site), *random_actions(rng, site))


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_whole_year_in_plain_citylearn(tmp_path):
    schema, site = stored(large_site(365), tmp_path)
    plain = CityLearnSimulator(schema, site, silent=False)
    assert_same_run(plain, CityLearnSimulator(schema, site), *random_actions(np.random.default_rng(6), site))


@pytest.mark.parametrize("bess", BESS)
def test_key_figures_of_citylearn_are_the_same(tmp_path, bess):
    rng = np.random.default_rng(9)
    schema, site = stored(random_site(rng, 3, 50, bess=bess, busy_share=1.0), tmp_path)
    actions = random_actions(rng, site)
    figures = []
    for silent in (False, True):
        simulator = CityLearnSimulator(schema, site, silent=silent)
        for charger, battery in zip(*actions, strict=True):
            simulator.step(charger, battery)
        figures.append(simulator.key_figures())
    assert figures[0] == figures[1]


@given(value=NUMBERS, lowest=st.floats(-1.0, 0.0), width=st.floats(0.0, 1.0))
@example(value=-0.0, lowest=0.0, width=0.0)
def test_clip_is_numpys_but_for_the_sign_of_a_zero(value, lowest, width):
    clipped = lean_citylearn._ScalarNumpy().clip(value, lowest, lowest + width)
    np.testing.assert_equal(clipped + 0.0, float(np.clip(value, lowest, lowest + width)) + 0.0)


@given(values=st.lists(st.floats(0.0, 1.0), min_size=1, max_size=6).map(sorted), value=st.floats(-0.5, 1.5))
def test_searchsorted_is_numpys(values, value):
    found = lean_citylearn._ScalarNumpy().searchsorted(values, value, side="left")
    assert found == np.searchsorted(np.array(values), value, side="left")


def test_other_sources_of_citylearn_are_refused(monkeypatch, tmp_path):
    schema, site = stored(random_site(np.random.default_rng(1), 2, 30), tmp_path)
    monkeypatch.setattr(lean_citylearn, "CHECKED_SOURCES", "of another version")
    refuse_other_citylearn.cache_clear()
    with pytest.raises(RuntimeError, match=re.escape("is not CityLearn 3.0.2 as published")):
        CityLearnSimulator(schema, site)
    CityLearnSimulator(schema, site, silent=False)
    monkeypatch.undo()
    refuse_other_citylearn()
