import pytest

from iquitos_citylearn.env.setting import single_year
from iquitos_citylearn.env.year import Year
from tests.small import setting_of, small_site, targets_of, years_of


def test_a_year_holds_one_year_of_a_setting_and_refuses_more(params):
    sites = years_of(small_site(), 3)
    setting = setting_of(sites, params)
    with pytest.raises(ValueError, match="the setting has 3 years; it must have exactly 1"):
        Year(7, sites[0], setting, targets_of(setting, sites[0]), 2025)
    only = single_year(setting, 1)
    year = Year(7, sites[1], only, targets_of(only, sites[1]), 2025)
    assert year.target_soc.shape == (len(sites[1].sessions),)
    assert year.setting.years.load_kwh[0].tolist() == sites[1].load_kwh.tolist()
