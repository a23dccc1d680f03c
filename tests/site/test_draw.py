import json
import logging
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from iquitos_citylearn.params import Draws, load_params
from iquitos_citylearn.runtime.artifacts import sha256
from iquitos_citylearn.site.citylearn_files.reader import read_dataset
from iquitos_citylearn.site.citylearn_files.writer import write_dataset
from iquitos_citylearn.site.draw import draw_site
from iquitos_citylearn.site.draw_files import read_draw, write_draw
from iquitos_citylearn.site.model import Battery
from iquitos_citylearn.site.summary import dataset_warnings
from iquitos_citylearn.stages.build_dataset import build_dataset
from tests.defaults import PARAMS
from tests.sites import assert_same

DEFAULT = load_params(PARAMS)
N_DAYS = 3


def small_params(mall=None, pv=None):
    """Return the default site with 4 motos, 2 mototaxis and 3 days."""
    site, charging = DEFAULT.site, DEFAULT.site.charging
    fleets = {
        name: fleet.model_copy(update={"n_chargers": n})
        for (name, fleet), n in zip(charging.fleets.items(), (4, 2), strict=True)
    }
    # 4 x 3.9 x 1.75 kWh + 2 x 3.2 x 2.7 kWh = 44.6 kWh a day; less, so that few chargers on few days always can.
    charging = charging.model_copy(update={"fleets": fleets, "energy_requested_kwh_per_day": 36.0})
    changes = {
        "calendar": site.calendar.model_copy(update={"n_days": N_DAYS}),
        "draws": Draws(headline_seed=9, training_seeds=(1, 2, 3, 4), evaluation_seeds=(5, 6)),
        "mall": site.mall.model_copy(update=mall or {}),
        "pv": site.pv.model_copy(update=pv or {}),
        "charging": charging,
    }
    return DEFAULT.model_copy(update={"site": site.model_copy(update=changes)})


@pytest.fixture(scope="module")
def draw():
    return draw_site(small_params().site, 5)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("built")
    build_dataset(small_params(), folder / "data", folder / "metrics")
    return folder


def write_energies(path, energy_kwh, start="2023-01-01"):
    steps = pd.date_range(start, periods=len(energy_kwh), freq=pd.Timedelta(hours=8760 / len(energy_kwh)))
    pd.DataFrame({"timestamp": steps, "energy_kwh": energy_kwh}).to_csv(path, index=False)
    return str(path)


def test_a_draw_on_a_weak_grid_differs_in_the_equipment_alone(draw):
    site = small_params().site
    grid = site.grid.model_copy(update={"import_limit_kw": 50.0})
    weak, _ = draw_site(site.model_copy(update={"bess": None, "grid": grid}), 5)
    assert (weak.bess, weak.bess_dispatch, weak.import_limit_kw) == (None, "none", 50.0)
    assert_same(replace(weak, bess=draw[0].bess, bess_dispatch="automatic", import_limit_kw=None), draw[0])


def test_a_draw_has_the_equipment_of_the_params(draw):
    site, _ = draw
    # Floor 1,169 of 4,520 kWh, so 1 - 1169 / 4520 may be discharged; 2,260 of 4,520 kWh at the start.
    assert site.bess == Battery(
        energy_capacity_kwh=4520.0,
        nominal_power_kw=2712.0,
        initial_soc=0.5,
        depth_of_discharge=1 - 1169 / 4520,
        power_efficiency_curve=((0.0, 1.0), (0.9, 0.9)),
    )
    assert site.bess_dispatch == "automatic"
    assert site.pv_rated_power_kwp == 4162
    assert [charger.name for charger in site.chargers] == [f"charger_00{i}" for i in range(1, 7)]
    assert [charger.max_charging_power_kw for charger in site.chargers] == [2.0] * 4 + [3.0] * 2
    assert [charger.ev.energy_capacity_kwh for charger in site.chargers] == [2.5] * 4 + [4.5] * 2
    for charger in site.chargers:
        assert charger.efficiency == 0.95
        assert charger.min_charging_power_kw == 0
        assert charger.ev.nominal_power_kw >= charger.max_charging_power_kw
        assert charger.ev.power_efficiency_curve == ((0.0, 1.0), (1.0, 1.0))


def test_a_draw_has_citylearns_calendar_and_constant_prices(draw):
    site, _ = draw
    np.testing.assert_array_equal(site.hour, np.tile(np.arange(1, 25), N_DAYS))
    assert (site.month == 1).all()
    # 1 January 2023 was a Sunday: 7, then Monday 1, Tuesday 2.
    np.testing.assert_array_equal(site.day_type, np.repeat([7, 1, 2], 24))
    assert set(site.price_usd_per_kwh) == {float(np.float32(0.20))}
    assert set(site.carbon_kg_per_kwh) == {float(np.float32(0.4521))}


def test_days_are_the_first_ones_of_the_whole_year(draw):
    site, report = draw
    assert site.n_steps == N_DAYS * 24
    assert len(site.weather.ghi_w_per_m2) == N_DAYS * 24
    assert len(report.load_kwh) == len(report.pv_kwh) == len(report.weather.ghi_w_per_m2) == 8760
    np.testing.assert_array_equal(site.load_kwh, report.load_kwh[: site.n_steps].astype(np.float32))
    np.testing.assert_array_equal(site.pv_kwh, report.pv_kwh[: site.n_steps].astype(np.float32))
    assert site.sessions.departure_step.max() <= site.n_steps
    assert report.load_kwh.sum() == pytest.approx(3_092_204, abs=0.01)
    assert report.pv_kwh.sum() == pytest.approx(8_030_119, abs=0.01)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_draw_written_as_a_data_set_reads_back_the_same(tmp_path, seed):
    site, _ = draw_site(small_params().site, seed)
    write_dataset(site, tmp_path)
    assert_same(read_dataset(tmp_path / "schema.json"), site)


@pytest.mark.slow
def test_a_whole_year_of_the_default_site_reads_back_the_same_from_both_kinds_of_files(tmp_path):
    site, report = draw_site(DEFAULT.site, 1)
    write_dataset(site, tmp_path / "site")
    write_draw(site, tmp_path / "draw")
    assert_same(read_dataset(tmp_path / "site" / "schema.json"), site)
    assert_same(read_draw(tmp_path / "draw"), site)
    # Single precision costs less than the rounding that the stated figures allow.
    assert site.load_kwh.sum() == pytest.approx(report.load_kwh.sum(), abs=0.01)
    assert site.load_kwh.max() == 690.75


def test_parts_of_a_draw_are_independent(draw):
    # Another peak changes the load and nothing else.
    other, _ = draw_site(small_params(mall={"peak_kw": 700.0}).site, 5)
    site, _ = draw
    assert (other.load_kwh != site.load_kwh).any()
    np.testing.assert_array_equal(other.pv_kwh, site.pv_kwh)
    assert_same(other.weather, site.weather)
    assert_same(other.sessions, site.sessions)


def test_measured_series_take_the_place_of_generated_ones(tmp_path, draw):
    # A quarter of an hour has 1 kWh, so an hour has 4; the generation is 2 kWh in every hour.
    load = write_energies(tmp_path / "load.csv", np.ones(4 * 8760))
    generation = write_energies(tmp_path / "pv.csv", np.full(8760, 2.0))
    site, report = draw_site(small_params(mall={"load_csv": load}, pv={"generation_csv": generation}).site, 5)
    assert (site.load_kwh == 4).all()
    assert (site.pv_kwh == 2).all()
    assert report.pv is None
    assert_same(site.weather, draw[0].weather)
    assert_same(site.sessions, draw[0].sessions)


def test_wind_of_a_weather_file_cools_the_modules_and_reaches_no_data_set(tmp_path, draw):
    weather, times = draw[1].weather, pd.date_range("2023-01-01", periods=8760, freq="h")
    table = pd.DataFrame({"timestamp": times, "ghi_wm2": weather.ghi_w_per_m2, "dni_wm2": weather.dni_w_per_m2})
    table["dhi_wm2"], table["temp_air_c"] = weather.dhi_w_per_m2, weather.temp_air_c
    sites = []
    for wind in (None, 0.0, 5.0):
        file = tmp_path / "weather.csv"
        table.assign(**{} if wind is None else {"wind_speed_ms": wind}).to_csv(file, index=False)
        params = small_params(pv={"weather_csv": str(file), "annual_energy_kwh": None}).site
        sites.append(draw_site(params, 5)[0])
    without, still, windy = sites
    assert still.pv_kwh.sum() < without.pv_kwh.sum() < windy.pv_kwh.sum()
    assert_same(still.weather, without.weather)
    assert_same(windy.weather, without.weather)


def test_build_dataset_writes_the_headline_year_the_other_draws_and_the_figures(built):
    assert sorted(path.name for path in built.iterdir()) == ["data", "metrics"]
    assert sorted(path.name for path in (built / "data").iterdir()) == [
        "evaluation",
        "expectations.json",
        "site",
        "training",
    ]
    assert sorted(path.name for path in (built / "data" / "training").iterdir()) == ["1", "2", "3", "4"]
    assert [path.name for path in (built / "metrics").iterdir()] == ["dataset.json"]
    site = small_params().site
    assert_same(read_dataset(built / "data" / "site" / "schema.json"), draw_site(site, 9)[0])
    assert sorted(path.name for path in (built / "data" / "evaluation").iterdir()) == ["5", "6"]
    assert_same(read_draw(built / "data" / "training" / "2"), draw_site(site, 2)[0])
    assert_same(read_draw(built / "data" / "evaluation" / "6"), draw_site(site, 6)[0])


def test_the_same_params_give_the_same_bytes(built, tmp_path):
    build_dataset(small_params(), tmp_path / "data", tmp_path / "metrics")
    files = [path.relative_to(built) for path in sorted(built.rglob("*")) if path.is_file()]
    assert len(files) == 6 + 6 + 6 * 3 + 1 + 1  # schema and 5 tables, 6 chargers; 3 files a draw; figures; expectations
    assert files == [path.relative_to(tmp_path) for path in sorted(tmp_path.rglob("*")) if path.is_file()]
    assert [file for file in files if sha256(built / file) != sha256(tmp_path / file)] == []


def test_figures_agree_with_what_was_written(built):
    figures = json.loads((built / "metrics" / "dataset.json").read_text())
    site = read_dataset(built / "data" / "site" / "schema.json")
    sessions = site.sessions
    requested_kwh = 0.0
    for index in range(len(sessions)):
        charger = site.chargers[sessions.charger[index]]
        wanted = (sessions.required_soc[index] - sessions.arrival_soc[index]) * charger.ev.energy_capacity_kwh
        hours = sessions.departure_step[index] - sessions.arrival_step[index]
        requested_kwh += min(wanted, hours * charger.max_charging_power_kw * charger.efficiency)
    assert figures["n_steps"] == 72
    assert figures["kept"]["load_kwh"] == pytest.approx(site.load_kwh.sum())
    assert figures["load"]["annual_energy_kwh"] == pytest.approx(3_092_204, abs=0.01)
    assert figures["load"]["peak_kw"] == 690.75
    assert sum(figures["load"]["monthly_energy_mwh"].values()) == pytest.approx(3092.204)
    assert figures["pv"]["annual_energy_kwh"] == pytest.approx(8_030_119, abs=0.01)
    assert figures["pv"]["dc_gain"] > 1
    assert figures["pv"]["performance_ratio"] == pytest.approx(8_030_119 / 4162 / figures["ghi_kwh_per_m2"])
    assert figures["sessions"]["n_sessions"] == len(sessions)
    assert figures["sessions"]["energy_requested_kwh_per_day"] == pytest.approx(requested_kwh / N_DAYS)
    assert figures["sessions"]["energy_requested_site_kwh_per_day"] == pytest.approx(requested_kwh / N_DAYS / 0.95)
    assert figures["sessions"]["fleets"]["moto"]["sessions_per_charger_day"] == pytest.approx(
        (sessions.charger < 4).sum() / 4 / N_DAYS
    )
    assert set(figures["training"]) == {"seed_1", "seed_2", "seed_3", "seed_4"}
    assert set(figures["evaluation"]) == {"seed_5", "seed_6"}


def test_warnings_are_recorded_and_logged(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        build_dataset(small_params(), tmp_path / "data", tmp_path / "metrics")
    warnings = json.loads((tmp_path / "metrics" / "dataset.json").read_text())["warnings"]
    assert [record.getMessage() for record in caplog.records] == warnings
    pv, mall = warnings
    assert "a performance ratio of 1.16. Sound: 0.75 to 0.82, here 5.2 to 5.7 GWh/yr; set pv.annual_energy_kwh" in pv
    assert "may be four times too small: 3,092,204 kWh/yr" in mall
    assert "12,368,653 kWh/yr" in mall


def test_sound_figures_give_no_warning(tmp_path):
    load = write_energies(tmp_path / "load.csv", np.full(8760, 3_092_204 / 8760))
    for mall in ({"annual_energy_kwh": 12_368_653.0, "peak_kw": 2763.0}, {"load_csv": load}):
        params = small_params(mall=mall, pv={"annual_energy_kwh": None}).site
        _, report = draw_site(params, 1)
        assert dataset_warnings(params, report, report.weather.ghi_w_per_m2.sum() / 1000) == []


def test_measured_generation_beyond_the_sound_is_warned_of(tmp_path):
    generation = write_energies(tmp_path / "pv.csv", np.full(8760, 8_030_119 / 8760))
    params = small_params(pv={"generation_csv": generation}).site
    _, report = draw_site(params, 1)
    warning = dataset_warnings(params, report, report.weather.ghi_w_per_m2.sum() / 1000)[0]
    assert "performance ratio of 1.16" in warning
    assert "check pv.generation_csv and pv.rated_power_kwp" in warning


def test_what_cannot_be_drawn_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ValueError, match=r"mall.peak_kw is 400; it must be above the highest hourly mean"):
        build_dataset(small_params(mall={"peak_kw": 400.0}), tmp_path / "data", tmp_path / "metrics")
    assert list(tmp_path.iterdir()) == []


def test_dispatch_peak_tariff_and_demand_charge_reach_the_site(tmp_path):
    site = small_params().site
    bess = site.bess.model_copy(update={"dispatch": "agent"})
    prices = {"peak_tariff_usd_per_kwh": 0.5, "peak_tariff_hours": (7, 21), "demand_charge_usd_per_kw_month": 12.0}
    grid = site.grid.model_copy(update=prices)
    drawn, _ = draw_site(site.model_copy(update={"bess": bess, "grid": grid}), 5)
    in_peak = np.isin(np.arange(drawn.n_steps) % 24, (7, 21))
    np.testing.assert_array_equal(drawn.price_usd_per_kwh, np.where(in_peak, 0.5, np.float32(0.20)))
    assert drawn.bess_dispatch == "agent"
    assert drawn.demand_charge_usd_per_kw_month == 12.0
    write_dataset(drawn, tmp_path / "site")
    write_draw(drawn, tmp_path / "draw")
    assert_same(read_dataset(tmp_path / "site" / "schema.json"), drawn)
    assert_same(read_draw(tmp_path / "draw"), drawn)
