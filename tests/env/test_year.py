import pytest

from iquitos_citylearn.env.setting import single_year
from iquitos_citylearn.env.year import Years, make_year
from tests.small import setting_of, small_site, targets_of, years_of


def test_a_year_holds_one_year_of_a_setting_and_refuses_more(params):
    sites = years_of(small_site(), 3)
    setting = setting_of(sites, params)
    year = make_year(sites[1], single_year(setting, 1), seed=7, calendar_year=2025)
    assert year.target_soc.tolist() == targets_of(year.setting, sites[1]).tolist()
    assert year.setting.years.load_kwh[0].tolist() == sites[1].load_kwh.tolist()
    with pytest.raises(ValueError, match="the setting has 3 years; it must have exactly 1"):
        make_year(sites[0], setting, seed=7, calendar_year=2025)


def test_years_are_the_years_of_their_setting_in_its_order(params):
    sites = tuple(years_of(small_site(), 3))
    years = Years.of(setting_of(list(sites), params), sites, (5, 6, 7), 2023)
    assert (years.seeds, len(years), years[2].seed) == ((5, 6, 7), 3, 7)
    for year, site in zip(years, sites, strict=True):
        assert year.site is site
        assert year.setting.years.load_kwh[0].tolist() == site.load_kwh.tolist()
