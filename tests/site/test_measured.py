from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from iquitos_citylearn.params import load_params
from iquitos_citylearn.site.measured import MeasuredDataError, read_energy_csv, read_weather_csv
from iquitos_citylearn.site.sun import mid_hour_sun
from iquitos_citylearn.site.weather import generate_weather
from tests.defaults import PARAMS

SITE = load_params(PARAMS).site
SUN = mid_hour_sun(SITE.location, SITE.calendar)
WEATHER = generate_weather(SITE.weather, SITE.location, SITE.calendar, np.random.default_rng(0))


def energy_lines(minutes=60, year=2023, suffix=""):
    n_rows = 8760 * 60 // minutes
    times = pd.date_range(f"{year}-01-01", periods=n_rows, freq=f"{minutes}min")
    stamps = times.strftime("%Y-%m-%d %H:%M:%S")
    return [
        "timestamp,energy_kwh",
        *(f"{stamp}{suffix},{(index % 7) * 0.25}" for index, stamp in enumerate(stamps)),
    ]


HOURLY = energy_lines()


def weather_lines(year=2024):
    times = pd.date_range(f"{year}-01-01", periods=8760, freq="h").strftime("%Y-%m-%d %H:%M:%S-05:00")
    columns = (WEATHER.ghi_w_per_m2, WEATHER.dni_w_per_m2, WEATHER.dhi_w_per_m2, WEATHER.temp_air_c)
    rows = zip(times, *columns, strict=True)
    return [
        "timestamp,ghi_wm2,dni_wm2,dhi_wm2,temp_air_c,wind_speed_ms",
        *(f"{time},{ghi},{dni},{dhi},{temp},0.5" for time, ghi, dni, dhi, temp in rows),
    ]


WEATHER_2024 = weather_lines()


def read_energy(folder, lines):
    path = folder / "meter.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return read_energy_csv(path, column="energy_kwh", utc_offset_hours=-5)


def read_weather(folder, lines):
    path = folder / "weather.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return read_weather_csv(path, SITE.location, SITE.calendar)


def with_line(lines, row, text):
    """Replace a line; row 1 is the header, as in the messages."""
    return [*lines[: row - 1], text, *lines[row:]]


@pytest.mark.parametrize("minutes", [60, 30, 15, 5])
def test_energies_are_summed_to_hours(tmp_path, minutes):
    hourly = read_energy(tmp_path, energy_lines(minutes))
    values = np.arange(8760 * 60 // minutes) % 7 * 0.25
    assert hourly.shape == (8760,)
    assert hourly.sum() == values.sum()  # quarters are exact: a mean would be smaller by the steps in an hour
    per_hour = 60 // minutes
    assert hourly[1] == sum(values[per_hour : 2 * per_hour])


@settings(
    max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.integers(0, 2**32 - 1))
def test_hourly_values_come_back_exactly(tmp_path, seed):
    values = np.random.default_rng(seed).uniform(0, 3000, 8760)
    stamps = [line.split(",")[0] for line in HOURLY[1:]]
    lines = [HOURLY[0], *(f"{stamp},{value!r}" for stamp, value in zip(stamps, values.tolist(), strict=True))]
    np.testing.assert_array_equal(read_energy(tmp_path, lines), values)


@pytest.mark.parametrize("suffix", ["", "-05:00", "-0500", "-05"])
def test_stamps_in_the_clock_of_the_site(tmp_path, suffix):
    assert read_energy(tmp_path, energy_lines(suffix=suffix)).shape == (8760,)


@pytest.mark.parametrize("suffix", ["Z", "+00:00", "-04:00", "-05:30"])
def test_stamps_in_another_clock_are_refused(tmp_path, suffix):
    with pytest.raises(
        MeasuredDataError, match=r"meter\.csv: column timestamp, row 2: .*site's clock: expected offset -0500"
    ):
        read_energy(tmp_path, energy_lines(suffix=suffix))


def test_a_leap_year_maps_by_position(tmp_path):
    lines = energy_lines(year=2024)
    assert lines[-1].startswith("2024-12-30 23:00")
    np.testing.assert_array_equal(read_energy(tmp_path, lines), read_energy(tmp_path, HOURLY))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (with_line(HOURLY, 100, "13/01/2023 00:00,1"), r"column timestamp, row 100: '13/01/2023 00:00' is no ISO 8601"),
        (with_line(HOURLY, 2, "01/01/2023 00:00,1"), r"row 2: '01/01/2023 00:00' is no ISO 8601"),
        (with_line(HOURLY, 50, "2023-02-30 00:00,1"), r"row 50: '2023-02-30 00:00' is no ISO 8601"),
        (with_line(HOURLY, 50, ""), r"row 50: '' is no ISO 8601"),
        ([*HOURLY[:50], *HOURLY[51:]], r"row 51: 2023-01-03 02:00:00 follows a gap: expected 2023-01-03 01:00:00"),
        ([*HOURLY[:50], HOURLY[49], *HOURLY[50:-1]], r"row 51: 2023-01-03 00:00:00 is there twice"),
        (with_line(with_line(HOURLY, 50, HOURLY[50]), 51, HOURLY[49]), r"column timestamp, row 50: .* follows a gap"),
        ([*HOURLY[:50], HOURLY[20], *HOURLY[50:-1]], r"row 51: 2023-01-01 19:00:00 is out of order"),
        (HOURLY[:-24], r"meter\.csv: has 8736 rows; a year of 60 min steps has 8760"),
        ([*HOURLY, "2024-01-01 00:00:00,0"], r"has 8761 rows; a year of 60 min steps has 8760"),
        ([HOURLY[0], *HOURLY[2:]], r"row 2: 2023-01-01 01:00:00 is not the start of a year"),
        (with_line(HOURLY, 9, "2023-01-01 07:00:00,"), r"column energy_kwh, row 9: '' is no number"),
        (with_line(HOURLY, 9, "2023-01-01 07:00:00,nan"), r"column energy_kwh, row 9: 'nan' is no number"),
        (with_line(HOURLY, 9, '2023-01-01 07:00:00,"1,5"'), r"column energy_kwh, row 9: '1,5' is no number"),
        (with_line(HOURLY, 9, "2023-01-01 07:00:00,1_5"), r"column energy_kwh, row 9: '1_5' is no number"),
        (with_line(HOURLY, 9, "2023-01-01 07:00:00"), r"column energy_kwh, row 9: '' is no number"),
        (with_line(HOURLY, 9, "2023-01-01 07:00:00,1e999"), r"column energy_kwh, row 9: inf is out of range"),
        (with_line(HOURLY, 9, "2023-01-01 07:00:00,-0.5"), r"row 9: -0\.5 is out of range, allowed at least 0"),
        (
            with_line(HOURLY, 9, "2023-01-01 07:00:00-05:00,1"),
            r"row 9: .* is not in the site's clock: expected no offset",
        ),
        (with_line(HOURLY, 9, "2023-01-01 07:00:00,1,2"), r"is no CSV: .*line 9"),
        ([HOURLY[0], *(f"{line},0" for line in HOURLY[1:])], r"rows have more fields than the header"),
        (["timestamp,kwh", *HOURLY[1:]], r"column energy_kwh is missing; the header is \['timestamp', 'kwh'\]"),
        (HOURLY[:2], r"has 1 rows; needs a whole year"),
        ([], r"meter\.csv: is no CSV|is missing"),
    ],
)
def test_damaged_series_are_refused(tmp_path, lines, message):
    with pytest.raises(MeasuredDataError, match=message):
        read_energy(tmp_path, lines)


@pytest.mark.parametrize(("second", "seconds"), [("00:00:30", 30), ("00:25:00", 1500), ("02:00:00", 7200)])
def test_steps_that_do_not_divide_an_hour_are_refused(tmp_path, second, seconds):
    with pytest.raises(MeasuredDataError, match=rf"column timestamp, row 3: the step is {seconds} s; allowed"):
        read_energy(tmp_path, with_line(HOURLY, 3, f"2023-01-01 {second},1"))


def test_absent_file():
    with pytest.raises(MeasuredDataError, match=r"none\.csv: cannot be read: No such file"):
        read_energy_csv(Path("none.csv"), column="energy_kwh", utc_offset_hours=-5)


def test_weather_maps_by_position_and_keeps_the_horizontal_energy(tmp_path):
    weather = read_weather(tmp_path, WEATHER_2024)
    np.testing.assert_array_equal(weather.ghi_w_per_m2, WEATHER.ghi_w_per_m2)
    np.testing.assert_array_equal(weather.dhi_w_per_m2, WEATHER.dhi_w_per_m2)
    np.testing.assert_array_equal(weather.temp_air_c, WEATHER.temp_air_c)
    total = weather.dni_w_per_m2 * SUN.cos_zenith + weather.dhi_w_per_m2
    is_high = SUN.zenith_deg < 85
    np.testing.assert_allclose(total[is_high], weather.ghi_w_per_m2[is_high], atol=1e-9)
    assert (weather.relative_humidity_percent <= 100).all()
    np.testing.assert_array_equal(weather.wind_speed_m_per_s, np.full(8760, 0.5))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2024-01-01 07:00:00-05:00,-5,0,0,25,1", r"column ghi_wm2, row 9: -5 is out of range, allowed 0 to 1500"),
        ("2024-01-01 07:00:00-05:00,5,0,1001,25,1", r"column dhi_wm2, row 9: 1001 is out of range, allowed 0 to 1000"),
        ("2024-01-01 07:00:00-05:00,5,0,5,298,1", r"column temp_air_c, row 9: 298 is out of range, allowed -40 to 60"),
        ("2024-01-01 07:00:00-05:00,5,,5,25,1", r"column dni_wm2, row 9: '' is no number"),
        (
            "2024-01-01 07:00:00-05:00,5,0,5,25,-1",
            r"column wind_speed_ms, row 9: -1 is out of range, allowed -0.1 to 60",
        ),
        ("2024-01-01 07:00:00-05:00,5,0,5,25,", r"column wind_speed_ms, row 9: '' is no number"),
        ("2024-01-01 07:30:00-05:00,5,0,5,25,1", r"column timestamp, row 9: .* follows a gap"),
    ],
)
def test_damaged_weather_is_refused(tmp_path, text, message):
    with pytest.raises(MeasuredDataError, match=message):
        read_weather(tmp_path, with_line(WEATHER_2024, 9, text))


def test_wind_just_below_0_is_calm(tmp_path):
    lines = with_line(WEATHER_2024, 9, "2024-01-01 07:00:00-05:00,5,0,5,25,-0.04")
    assert read_weather(tmp_path, lines).wind_speed_m_per_s[7] == 0.0


def test_weather_without_wind_is_read(tmp_path):
    assert read_weather(tmp_path, [line.rpartition(",")[0] for line in WEATHER_2024]).wind_speed_m_per_s is None


def test_weather_in_finer_steps_is_refused(tmp_path):
    lines = [WEATHER_2024[0], *(f"2024-01-01 {hour:02d}:{minute},0,0,0,25,0" for hour in (0, 1) for minute in (10, 40))]
    with pytest.raises(MeasuredDataError, match="not the start of a year"):
        read_weather(tmp_path, lines)


def test_weather_in_another_clock_is_refused(tmp_path):
    stamps = [line[:19] for line in WEATHER_2024[1:]]
    values = [line[25:] for line in WEATHER_2024[1:]]
    shifted = values[-5:] + values[:-5]  # noon in UTC is 5 h later than at the site
    lines = [WEATHER_2024[0], *(stamp + value for stamp, value in zip(stamps, shifted, strict=True))]
    with pytest.raises(MeasuredDataError, match=r"column ghi_wm2: \d+% of the irradiation falls in hours without sun"):
        read_weather(tmp_path, lines)


def test_weather_without_a_column_is_refused(tmp_path):
    with pytest.raises(MeasuredDataError, match=r"weather\.csv: column temp_air_c is missing"):
        read_weather(tmp_path, with_line(WEATHER_2024, 1, "timestamp,ghi_wm2,dni_wm2,dhi_wm2,t2m,wind_speed_ms"))
