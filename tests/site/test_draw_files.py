import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iquitos_citylearn.site.draw_files import DrawFileError, read_draw, replace_folder, write_draw
from iquitos_citylearn.site.model import Sessions
from tests.sites import assert_same, random_site

FILES = ("series.parquet", "sessions.parquet", "equipment.json")


@pytest.fixture
def folder(tmp_path):
    write_draw(random_site(np.random.default_rng(1), n_chargers=3), tmp_path / "1")
    return tmp_path / "1"


def change_table(path, change):
    pq.write_table(change(pq.read_table(path)), path)


def set_column(name, values):
    return lambda table: table.set_column(table.column_names.index(name), name, values)


def set_cell(name, row, value):
    def change(table):
        values = table[name].to_pylist()
        values[row] = value
        return set_column(name, pa.array(values, table[name].type))(table)

    return change


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_chargers=st.integers(0, 4),
    n_steps=st.integers(1, 100),
    bess=st.sampled_from(["automatic", "agent", "none"]),
    limit_kw=st.none() | st.floats(0, 1e6),
)
def test_a_draw_reads_back_as_it_was_written(tmp_path_factory, seed, n_chargers, n_steps, bess, limit_kw):
    rng = np.random.default_rng(seed)
    site = random_site(rng, n_chargers, n_steps, bess=bess)
    series = {name: rng.random(n_steps) for name in ("load_kwh", "pv_kwh")}  # all digits of a float64
    site = replace(site, import_limit_kw=None if bess == "automatic" else limit_kw, **series)
    folder = tmp_path_factory.mktemp("draw")
    write_draw(site, folder)
    assert_same(read_draw(folder), site)


def test_the_same_site_gives_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        write_draw(random_site(np.random.default_rng(2)), tmp_path / name)
    assert sorted(file.name for file in (tmp_path / "a").iterdir()) == sorted(FILES)
    for name in FILES:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_nothing_of_the_machine_stands_in_the_files(folder):
    for name in FILES[:2]:
        metadata = pq.ParquetFile(folder / name).metadata
        assert metadata.created_by == f"parquet-cpp-arrow version {pa.__version__}"
        assert set(metadata.metadata) == {b"ARROW:schema"}


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(DrawFileError, match=rf"{name}: cannot be read: .*No such file"):
        read_draw(folder)


@pytest.mark.parametrize("name", FILES[:2])
def test_a_truncated_or_foreign_table_is_named(folder, name):
    whole = (folder / name).read_bytes()
    for content in (whole[:-20], b"", b"timestamp,kwh\n"):
        (folder / name).write_bytes(content)
        with pytest.raises(DrawFileError, match=f"{name}: cannot be read"):
            read_draw(folder)


def test_a_flipped_bit_in_the_values_is_found(folder):
    path = folder / "series.parquet"
    content = bytearray(path.read_bytes())
    column = pq.ParquetFile(path).metadata.row_group(0).column(4)
    content[column.data_page_offset + column.total_compressed_size // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DrawFileError, match=r"series.parquet: cannot be read"):
        read_draw(folder)


@pytest.mark.parametrize(
    ("file", "change", "match"),
    [
        ("series", lambda table: table.drop_columns("pv_kwh"), "series.parquet: column pv_kwh is missing"),
        ("series", lambda table: table.append_column("wind", table["pv_kwh"]), "column wind is unknown"),
        ("series", lambda table: table.slice(0, 0), "series.parquet: has no rows"),
        ("series", lambda table: table.slice(0, 20), "sessions.parquet: column departure_step is .* at most 20"),
        ("series", set_column("hour", pa.array([1.5] * 48)), "column hour is double; allowed: int64"),
        ("series", set_cell("load_kwh", 5, None), "column load_kwh has 1 empty rows"),
        ("series", set_cell("load_kwh", 5, float("nan")), "column load_kwh is nan in row 5; allowed: finite numbers"),
        ("sessions", set_cell("charger", 0, -1), "sessions.parquet: column charger is -1 in row 0; allowed: 0 to 2"),
        ("sessions", set_cell("arrival_step", 0, -3), "column arrival_step is -3 in row 0; allowed: 0 or more"),
        ("sessions", set_cell("departure_step", 1, 0), "column departure_step is 0 in row 1; allowed: after arrival"),
        ("sessions", set_cell("required_soc", 1, 90.0), "column required_soc is 90.0 in row 1; allowed: 0 to 1"),
        ("sessions", lambda table: table.take([1, 0]), "column arrival_step .* sorted by charger, with a free row"),
    ],
)
def test_a_damaged_table_is_refused_by_file_and_column(folder, file, change, match):
    change_table(folder / f"{file}.parquet", change)
    with pytest.raises(DrawFileError, match=match):
        read_draw(folder)


def test_sessions_without_a_free_row_between_are_refused(tmp_path):
    sessions = Sessions(
        charger=np.array([0, 0]),
        arrival_step=np.array([3, 6]),
        departure_step=np.array([6, 9]),
        arrival_soc=np.array([0.2, 0.2]),
        required_soc=np.array([0.9, 0.9]),
    )
    write_draw(replace(random_site(np.random.default_rng(1)), sessions=sessions), tmp_path)
    with pytest.raises(DrawFileError, match=r"arrival_step is 6 .* with a free row after the session before"):
        read_draw(tmp_path)


def test_equipment_without_an_import_limit_says_nothing_of_one(folder):
    assert set(json.loads((folder / "equipment.json").read_text())) == {
        "pv_rated_power_kwp", "bess", "bess_dispatch", "chargers",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda content: content.pop("bess"), "bess: "),
        (lambda content: content.update(wind=1), "wind: "),
        (lambda content: content["chargers"][0].update(efficiency="0.95"), "chargers.0.efficiency: "),
        (lambda content: content["chargers"][2]["ev"].pop("energy_capacity_kwh"), "chargers.2.ev.energy_capacity_kwh"),
        (lambda content: content["bess"].update(initial_soc="NaN"), "bess.initial_soc: "),
        (lambda content: content.update(bess_dispatch="none"), "bess_dispatch is none; allowed: automatic or agent"),
        (lambda content: content.update(bess_dispatch="mine"), "bess_dispatch: Input should be 'none', 'automatic' or"),
        (lambda content: content.update(import_limit_kw=5.0), "import_limit_kw is 5.0; allowed: none with a battery"),
    ],
)
def test_damaged_equipment_is_refused_by_file_and_field(folder, change, match):
    content = json.loads((folder / "equipment.json").read_text())
    change(content)
    (folder / "equipment.json").write_text(json.dumps(content))
    with pytest.raises(DrawFileError, match=rf"equipment.json: .*{match}"):
        read_draw(folder)


def test_a_folder_is_replaced_whole(tmp_path):
    target = tmp_path / "data" / "site"
    replace_folder(target, lambda folder: (folder / "old").write_text("1"))
    replace_folder(target, lambda folder: (folder / "new").write_text("2"))
    assert [file.name for file in target.iterdir()] == ["new"]
    assert [file.name for file in target.parent.iterdir()] == ["site"]


def test_a_folder_stays_as_it_was_when_writing_fails(tmp_path):
    def fail(folder):
        (folder / "new").write_text("2")
        raise ValueError("half-way")

    replace_folder(tmp_path / "site", lambda folder: (folder / "old").write_text("1"))
    with pytest.raises(ValueError, match="half-way"):
        replace_folder(tmp_path / "site", fail)
    assert [file.name for file in tmp_path.rglob("*")] == ["site", "old"]
