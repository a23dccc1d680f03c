from dataclasses import replace

import numpy as np
import pytest

from tests.sites import random_site


@pytest.mark.parametrize("bess", ["automatic", "agent", "none"])
def test_battery_and_dispatch_must_agree(bess):
    site = random_site(np.random.default_rng(0), bess=bess)
    if bess == "none":
        with pytest.raises(ValueError, match="bess_dispatch is agent; allowed: none without a battery"):
            replace(site, bess_dispatch="agent")
    else:
        with pytest.raises(ValueError, match="bess_dispatch is none; allowed: automatic or agent with a battery"):
            replace(site, bess_dispatch="none")
        with pytest.raises(ValueError, match=f"bess_dispatch is {bess}; allowed: none without a battery"):
            replace(site, bess=None)


@pytest.mark.parametrize("limit_kw", [-1.0, np.nan, np.inf])
def test_an_import_limit_is_a_finite_number_from_0(limit_kw):
    with pytest.raises(ValueError, match=f"import_limit_kw is {limit_kw}; allowed: finite numbers from 0"):
        replace(random_site(np.random.default_rng(0), bess="none"), import_limit_kw=limit_kw)


def test_no_import_limit_with_a_battery_on_automatic_dispatch():
    assert replace(random_site(np.random.default_rng(0), bess="agent"), import_limit_kw=5.0).import_limit_kw == 5.0
    with pytest.raises(ValueError, match=r"import_limit_kw is 5\.0; allowed: none with a battery on automatic"):
        replace(random_site(np.random.default_rng(0)), import_limit_kw=5.0)
