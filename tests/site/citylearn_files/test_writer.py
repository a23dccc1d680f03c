import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from citylearn.citylearn import CityLearnEnv
from hypothesis import given, settings
from hypothesis import strategies as st

from iquitos_citylearn.site.citylearn_files import layout
from iquitos_citylearn.site.citylearn_files.reader import read_dataset
from iquitos_citylearn.site.citylearn_files.writer import DatasetError, as_stored, write_dataset
from iquitos_citylearn.site.model import Sessions, Site
from tests.sites import assert_same, random_site

GOLDEN = Path(__file__).parents[2] / "golden" / "dataset"
LARGEST_BYTES = 25e6


def golden_site() -> Site:
    return random_site(np.random.default_rng(7), n_chargers=2, n_steps=48)


def sessions(*rows: tuple[int, int, int, float, float]) -> Sessions:
    """Rows of charger, arrival, departure, arrival SOC, required SOC."""
    table = list(zip(*rows, strict=True))
    return Sessions(
        **{name: np.array(table[i]) for i, name in enumerate(("charger", "arrival_step", "departure_step"))},
        arrival_soc=np.array(table[3], dtype=np.float32).astype(np.float64),
        required_soc=np.array(table[4], dtype=np.float32).astype(np.float64),
    )


def opened(folder: Path, **options: object) -> CityLearnEnv:
    return CityLearnEnv(str(folder / layout.SCHEMA_FILE), offline=True, physics_invariant_checks=True, **options)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_chargers=st.integers(0, 4),
    n_steps=st.integers(2, 100),
    bess=st.sampled_from(["automatic", "agent", "none"]),
    limit_kw=st.none() | st.floats(0, 1e6),
)
def test_a_site_reads_back_as_it_was_written(tmp_path_factory, seed, n_chargers, n_steps, bess, limit_kw):
    site = random_site(np.random.default_rng(seed), n_chargers, n_steps, bess=bess)
    site = replace(site, import_limit_kw=None if bess == "automatic" else limit_kw)
    folder = tmp_path_factory.mktemp("dataset")
    write_dataset(site, folder)
    assert_same(read_dataset(folder / layout.SCHEMA_FILE), site)


def test_golden_files(tmp_path):
    # Bytes of a small site; a change here changes what users have on disk.
    write_dataset(golden_site(), tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(file.name for file in GOLDEN.iterdir())
    for file in GOLDEN.iterdir():
        assert (tmp_path / file.name).read_bytes() == file.read_bytes(), file.name


def test_writing_again_gives_the_same_bytes_and_leaves_nothing_of_a_larger_site(tmp_path):
    write_dataset(random_site(np.random.default_rng(1), n_chargers=5), tmp_path)
    write_dataset(golden_site(), tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {file.name for file in GOLDEN.iterdir()}
    assert all((tmp_path / file.name).read_bytes() == file.read_bytes() for file in GOLDEN.iterdir())


def test_a_year_of_128_chargers_stays_small_and_reads_back(tmp_path):
    # Two fifths of all rows connected and SOCs of nine digits: more than the default site has.
    site = random_site(np.random.default_rng(2), 128, 8760, plain=True, busy_share=1.0, longest_stay=6)
    write_dataset(site, tmp_path)
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < LARGEST_BYTES
    assert_same(read_dataset(tmp_path / layout.SCHEMA_FILE), site)


@pytest.mark.parametrize(("bess", "n_actions"), [("automatic", 2), ("agent", 3), ("none", 2)])
def test_citylearn_opens_it_from_anywhere_and_takes_one_action_for_each_row(tmp_path, monkeypatch, bess, n_actions):
    site = random_site(np.random.default_rng(3), 2, 48, bess=bess)
    write_dataset(site, tmp_path / "site")
    monkeypatch.chdir(tmp_path)
    env = opened(Path("site"))
    assert env.action_space[0].shape == (n_actions,)
    assert (env.action_space[0].low[-2:] == 0).all()  # nothing is discharged from cars
    n_steps, terminated = 0, False
    while not terminated:
        _, _, terminated, _, _ = env.step([np.full(n_actions, 0.7)])
        n_steps += 1
    assert n_steps == site.n_steps


def test_citylearn_holds_the_very_numbers_of_the_site(tmp_path):
    site = random_site(np.random.default_rng(4), 2, 48)
    write_dataset(site, tmp_path)
    building = opened(tmp_path).buildings[0]
    held = {
        "load_kwh": building.energy_simulation.non_shiftable_load,
        "pv_kwh": building.pv.get_generation(building.energy_simulation.solar_generation),
        "price_usd_per_kwh": building.pricing.electricity_pricing,
        "carbon_kg_per_kwh": building.carbon_intensity.carbon_intensity,
        **{name: getattr(building.energy_simulation, name) for name in layout.CALENDAR},
    }
    for name, values in held.items():
        np.testing.assert_array_equal(values[: site.n_steps].astype(np.float64), getattr(site, name), err_msg=name)
    for column, name in layout.WEATHER_FIELDS.items():
        np.testing.assert_array_equal(getattr(building.weather, column)[: site.n_steps], getattr(site.weather, name))
    assert building.electrical_storage.capacity == site.bess.energy_capacity_kwh


@pytest.mark.parametrize("given_in", ["both", "current_soc", "incoming", "away"])
def test_cars_arrive_in_citylearn_with_the_soc_that_is_read(tmp_path, given_in):
    # current_soc of the arrival row, or the estimate of the row before, whether that is "incoming" or "away".
    site = random_site(np.random.default_rng(5), 3, 60, busy_share=1.0)
    write_dataset(site, tmp_path)
    for file in tmp_path.glob(layout.CHARGER_FILES):
        table = pd.read_csv(file)
        if given_in in ("incoming", "away") and table[layout.STATE][0] != layout.CONNECTED:
            table = table.drop(columns=layout.CURRENT_SOC)
        if given_in == "current_soc":
            table[layout.ARRIVAL_SOC] = np.nan
        if given_in == "away":
            table[layout.STATE] = table[layout.STATE].replace(layout.INCOMING, layout.AWAY)
        table.to_csv(file, index=False)
    read = read_dataset(tmp_path / layout.SCHEMA_FILE)
    assert_same(read, site)
    env = opened(tmp_path)
    arrivals = {(int(c), int(t)): soc for c, t, soc in zip(*(getattr(read.sessions, name) for name in
        ("charger", "arrival_step", "arrival_soc")), strict=True)}  # fmt: skip
    seen = {}
    for step in range(read.n_steps):
        for index, charger in enumerate(env.buildings[0].electric_vehicle_chargers):
            if (index, step) in arrivals:
                seen[index, step] = float(charger.connected_electric_vehicle.battery.soc[step])
        env.step([np.zeros(3)])
    assert seen == arrivals


def test_percentages_throughout_are_read_as_citylearn_reads_them(tmp_path):
    site = replace(golden_site(), sessions=sessions((0, 3, 6, 0.2, 0.9), (1, 4, 9, 0.25, 0.85)))
    write_dataset(site, tmp_path)
    file = tmp_path / "charger_simulation_001.csv"
    file.write_text(file.read_text().replace("0.2", "20").replace("0.9", "90"))
    assert_same(read_dataset(tmp_path / layout.SCHEMA_FILE), site)


def test_generation_per_kwp_is_what_citylearn_makes_of_it(tmp_path):
    write_dataset(golden_site(), tmp_path)
    schema = json.loads((tmp_path / layout.SCHEMA_FILE).read_text())
    schema["buildings"]["mall"]["pv"]["attributes"] = {"nominal_power": 123.456}
    (tmp_path / layout.SCHEMA_FILE).write_text(json.dumps(schema))
    env = opened(tmp_path)
    for _ in range(47):
        env.step([np.zeros(2)])
    read = read_dataset(tmp_path / layout.SCHEMA_FILE)
    np.testing.assert_array_equal(read.pv_kwh, -env.buildings[0].solar_generation[:48].astype(np.float64))


def test_a_data_set_without_global_irradiance_reads_as_not_known_and_writes_again(tmp_path):
    site = golden_site()
    site = replace(site, weather=replace(site.weather, ghi_w_per_m2=np.full(48, np.nan)))
    write_dataset(golden_site(), tmp_path)
    write_dataset(site, tmp_path)
    assert {file.name for file in GOLDEN.iterdir()} - {file.name for file in tmp_path.iterdir()} == {"irradiance.csv"}
    assert_same(read_dataset(tmp_path / layout.SCHEMA_FILE), site)


def test_as_stored_rounds_what_citylearn_would_round(tmp_path):
    site = replace(golden_site(), load_kwh=np.full(48, 0.1))
    with pytest.raises(DatasetError, match=r"load_kwh\[0\] is 0.1; allowed: what float32 holds"):
        write_dataset(site, tmp_path)
    write_dataset(as_stored(site), tmp_path)
    # 0.1 in float32 is 13421773 / 2^27
    assert (read_dataset(tmp_path / layout.SCHEMA_FILE).load_kwh == 13421773 / 2**27).all()


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"load_kwh": np.full(48, -1.0)}, r"load_kwh\[0\] is -1.0; allowed: finite numbers from 0"),
        ({"pv_kwh": np.full(48, np.nan)}, r"pv_kwh\[0\] is nan"),
        ({"price_usd_per_kwh": np.full(47, 0.5)}, r"price_usd_per_kwh has the shape \(47,\); the site has 48 steps"),
        ({"hour": np.full(48, 1)}, r"hour\[0\] is 1; allowed: the hour before plus 1"),
        ({"month": np.full(48, 13)}, r"month\[0\] is 13; allowed: 1 to 12"),
        (
            {"sessions": sessions((0, 3, 6, 0.2, 0.9), (0, 5, 9, 0.2, 0.9))},
            r"arrival_step\[1\] is 5; allowed: .* with a free row after",
        ),
        (
            {"sessions": sessions((0, 3, 6, 0.2, 0.9), (0, 6, 9, 0.2, 0.9))},
            r"arrival_step\[1\] is 6; allowed: .* with a free row after",
        ),
        ({"sessions": sessions((1, 3, 6, 0.2, 0.9), (0, 6, 9, 0.2, 0.9))}, "sorted by charger"),
        ({"sessions": sessions((2, 3, 6, 0.2, 0.9))}, r"charger\[0\] is 2; allowed: 0 to 1"),
        ({"sessions": sessions((1, 3, 49, 0.2, 0.9))}, r"departure_step\[0\] is 49; allowed: at most 48, the steps"),
        ({"sessions": sessions((1, 3, 3, 0.2, 0.9))}, r"departure_step\[0\] is 3; allowed: after arrival_step"),
        ({"sessions": sessions((1, -1, 3, 0.2, 0.9))}, r"arrival_step\[0\] is -1; allowed: 0 or more"),
        ({"sessions": sessions((1, 3, 6, 20, 0.9))}, r"arrival_soc\[0\] is 20.0; allowed: 0 to 1"),
    ],
)
def test_what_no_data_set_can_hold_is_refused_before_anything_is_written(tmp_path, change, match):
    with pytest.raises(DatasetError, match=match):
        write_dataset(replace(golden_site(), **change), tmp_path / "site")
    assert not (tmp_path / "site").exists()


def test_equipment_that_citylearn_would_not_take_is_refused(tmp_path):
    site = golden_site()
    charger = site.chargers[0]
    flat = replace(charger.ev, energy_capacity_kwh=0.0)
    for chargers, match in [
        ((charger, charger), "two chargers have one name"),
        ((charger, replace(site.chargers[1], efficiency=1.1)), "charger_002: efficiency is 1.1; allowed: above 0 to 1"),
        ((replace(charger, ev=flat), site.chargers[1]), "charger_001: energy_capacity_kwh is 0.0; allowed: finite"),
    ]:
        with pytest.raises(DatasetError, match=match):
            write_dataset(replace(site, chargers=chargers), tmp_path / "site")
