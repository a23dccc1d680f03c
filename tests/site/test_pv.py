import os
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iquitos_citylearn.params import load_params
from iquitos_citylearn.site.measured import read_weather_csv
from iquitos_citylearn.site.model import Weather
from iquitos_citylearn.site.pv import ac_power, dc_power, plane_of_array, simulate_pv
from iquitos_citylearn.site.sun import mid_hour_sun
from iquitos_citylearn.site.weather import generate_weather
from tests.defaults import PARAMS

SITE = load_params(PARAMS).site
PV = SITE.pv
PURE_PHYSICS = PV.model_copy(update={"annual_energy_kwh": None})
SUN = mid_hour_sun(SITE.location, SITE.calendar)
MONTH = SUN.mid_hours.month.to_numpy() - 1
SEEDS = range(6)
HOURLY_MEAN_KW = np.array([134, 1019, 2016, 2502, 2670, 2731, 2741, 2661, 2512, 1898, 961, 156])
MONTHLY_MWH = np.array([652, 568, 694, 648, 672, 665, 696, 741, 711, 721, 657, 605])


@cache
def weather_of(seed):
    return generate_weather(SITE.weather, SITE.location, SITE.calendar, np.random.default_rng(seed))


@cache
def year_of(seed):
    return simulate_pv(weather_of(seed), PV, SITE.location, SITE.calendar)


def at(temp_air_c, wind_speed_m_per_s=None):
    zero = np.zeros(len(temp_air_c))
    return Weather(
        temp_air_c=temp_air_c,
        relative_humidity_percent=zero,
        dhi_w_per_m2=zero,
        dni_w_per_m2=zero,
        ghi_w_per_m2=zero,
        wind_speed_m_per_s=wind_speed_m_per_s,
    )


def with_energy(energy_kwh):
    pv = PV.model_copy(update={"annual_energy_kwh": energy_kwh})
    return simulate_pv(weather_of(0), pv, SITE.location, SITE.calendar)


def test_rated_power_at_standard_conditions():
    # Faiman at 1 m/s: 1000 / (25 + 6.84) = 31.407 C above the air; 4162 kWp less 10 % losses = 3745.8 kW at 25 C,
    # and 10 C above it 0.37 %/C less: 3745.8 * 0.963 = 3607.2 kW.
    power = dc_power(np.array([1000.0, 1000.0, 0.0]), at(np.array([25 - 31.407, 35 - 31.407, 25.0])), PV)
    np.testing.assert_allclose(power, [3745.8, 3607.2, 0.0], atol=0.05)


def test_wind_cools_the_modules():
    # Faiman at 0 and 5 m/s: 1000 / 25 = 40 C and 1000 / (25 + 6.84 * 5) = 16.892 C above the air. The cells have 25 C
    # at 25 - 40 C in still air, and at 5 m/s 40 - 16.892 = 23.108 C less: 3745.8 * (1 + 0.0037 * 23.108) = 4066.1 kW.
    power = dc_power(np.full(2, 1000.0), at(np.full(2, 25.0 - 40.0), np.array([0.0, 5.0])), PV)
    np.testing.assert_allclose(power, [3745.8, 4066.1], atol=0.05)


def test_weather_without_wind_is_weather_at_1_m_per_s():
    windy = replace(weather_of(0), wind_speed_m_per_s=np.ones(8760))
    assert weather_of(0).wind_speed_m_per_s is None
    generation = simulate_pv(windy, PV, SITE.location, SITE.calendar).generation_kwh
    np.testing.assert_array_equal(generation, year_of(0).generation_kwh)


def test_inverter_limits():
    # The limit is reached at a DC power of 2886.69 / 0.97 = 2975.97 kW and held beyond.
    power = ac_power(np.array([0.0, 2975.97, 6000.0]), PV)
    np.testing.assert_allclose(power, [0.0, 2886.69, 2886.69], atol=0.01)
    assert ac_power(np.array([1500.0]), PV)[0] / 1500 == pytest.approx(0.97, abs=0.01)


@given(st.lists(st.just(0.0) | st.floats(1e-6, 2e4), min_size=2, max_size=20))
def test_ac_power_rises_with_dc_power_and_stays_below_both_limits(dc_kw):
    dc = np.sort(np.array(dc_kw))
    ac = ac_power(dc, PV)
    assert (np.diff(ac) >= -1e-9).all()
    assert (ac >= 0).all()
    assert (ac <= np.minimum(dc, PV.inverter_limit_kw) + 1e-9).all()


def test_horizontal_modules_see_the_horizontal_irradiation():
    flat = PV.model_copy(update={"tilt_deg": 0.0})
    poa, effective = plane_of_array(weather_of(0), flat, SUN)
    assert poa.sum() == pytest.approx(weather_of(0).ghi_w_per_m2.sum(), rel=0.002)
    assert (effective <= poa).all()
    assert effective.sum() / poa.sum() == pytest.approx(0.96, abs=0.02)


def test_north_sees_more_sun_in_june_and_less_in_december():
    north, south = (
        np.bincount(MONTH, weights=plane_of_array(weather_of(0), plant, SUN)[0])
        for plant in (PV, PV.model_copy(update={"azimuth_deg": 180.0}))
    )
    assert north[5] > 1.1 * south[5]
    assert north[11] < 0.95 * south[11]


def test_pure_physics_is_a_sound_plant():
    for seed in SEEDS:
        year = simulate_pv(weather_of(seed), PURE_PHYSICS, SITE.location, SITE.calendar)
        assert year.dc_gain == 1
        assert 5.2e6 < year.annual_energy_kwh < 5.7e6
        assert 0.75 < year.performance_ratio < 0.82


def test_stated_energy_by_one_factor_before_the_inverter():
    year = year_of(0)
    poa, effective = plane_of_array(weather_of(0), PV, SUN)
    expected = ac_power(year.dc_gain * dc_power(effective, weather_of(0), PV), PV)
    np.testing.assert_allclose(year.generation_kwh, expected, atol=5.1e-7)
    np.testing.assert_array_equal(year.generation_kwh, np.round(year.generation_kwh, 6))
    assert year.annual_energy_kwh == pytest.approx(PV.annual_energy_kwh, abs=0.5)
    assert year.poa_kwh_per_m2 == pytest.approx(poa.sum() / 1000)


def test_figures_that_judge_the_yield():
    # 8,030,119 / 4,162 = 1929.4 kWh/kWp; over 1,669 kWh/m2 (the months' sum) that is 1.156.
    year = year_of(0)
    assert year.specific_yield_kwh_per_kwp == pytest.approx(1929.4, abs=0.1)
    assert year.performance_ratio == pytest.approx(1.156, abs=0.001)
    assert year.performance_ratio_poa == pytest.approx(1929.4 / year.poa_kwh_per_m2, rel=1e-4)


@settings(max_examples=8, deadline=None)
@given(st.floats(1e4, 1.0e7))
def test_any_reachable_energy_is_met(energy_kwh):
    year = with_energy(energy_kwh)
    assert year.annual_energy_kwh == pytest.approx(energy_kwh, abs=0.5)
    assert (year.generation_kwh >= 0).all()
    assert year.generation_kwh.max() <= PV.inverter_limit_kw + 1e-6
    assert (year.generation_kwh[SUN.cos_zenith == 0] == 0).all()


def test_energy_beyond_the_inverters_is_refused():
    # The sun is up in about 4,380 hours; 2886.69 kW in each would be 12.6 GWh.
    with pytest.raises(ValueError, match=r"pv\.annual_energy_kwh is 1\.3e\+07; .* at most 1[12]\d{6} kWh"):
        with_energy(1.3e7)


def test_a_part_of_a_year_is_refused():
    short = replace(weather_of(0), ghi_w_per_m2=weather_of(0).ghi_w_per_m2[:48])
    with pytest.raises(ValueError, match="weather has 48 rows; PV needs a whole year, 8760"):
        simulate_pv(short, PV, SITE.location, SITE.calendar)


def shapes(year):
    by_day = year.generation_kwh.reshape(365, 24)
    daily = by_day.sum(axis=1)
    monthly = np.bincount(MONTH, weights=year.generation_kwh) / 1000
    lag1 = np.corrcoef(daily[1:], daily[:-1])[0, 1]
    return by_day.mean(axis=0)[6:18], monthly, np.array([daily.std(ddof=1), lag1, year.clipped_hours])


def assert_shapes(hourly, monthly, figures, month_tolerance, std_tolerance):
    np.testing.assert_allclose(hourly[2:11], HOURLY_MEAN_KW[2:11], rtol=0.07)
    np.testing.assert_allclose(hourly[[0, 1, 11]], HOURLY_MEAN_KW[[0, 1, 11]], atol=130)
    np.testing.assert_allclose(monthly, MONTHLY_MWH, rtol=month_tolerance)
    assert figures[0] == pytest.approx(3402, rel=std_tolerance)
    assert figures[1] == pytest.approx(0.29, abs=0.06)
    assert 1300 < figures[2] < 1600


def test_shapes_of_the_stated_year():
    years = [shapes(year_of(seed)) for seed in SEEDS]
    assert_shapes(*(np.mean(part, axis=0) for part in zip(*years, strict=True)), 0.055, 0.07)


def test_chain_on_the_measured_weather():
    path = os.environ.get("IQUITOS_PVGIS_WEATHER", "")
    if not path or not Path(path).is_file():
        pytest.skip("IQUITOS_PVGIS_WEATHER names no measured weather file that is there")
    weather = read_weather_csv(Path(path), SITE.location, SITE.calendar)
    sound = simulate_pv(weather, PURE_PHYSICS, SITE.location, SITE.calendar)
    assert 0.75 < sound.performance_ratio < 0.82
    assert_shapes(*shapes(simulate_pv(weather, PV, SITE.location, SITE.calendar)), 0.05, 0.03)
