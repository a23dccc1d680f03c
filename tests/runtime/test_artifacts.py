import json
import os
import resource
import subprocess
import sys
from enum import StrEnum
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iquitos_citylearn.runtime.artifacts import (
    ArtifactError,
    as_json,
    read_json,
    sha256,
    write_bytes,
    write_csv,
    write_json,
    write_through,
)


class Colour(StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.float64(0.1), 0.1),
        (np.float32(0.5), 0.5),
        (np.int64(7), 7),
        (np.bool_(True), True),
        (np.str_("x"), "x"),
        (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        (np.array(2.5), 2.5),
        (np.array([]), []),
        ((1, "a", None), [1, "a", None]),
        (float("nan"), "NaN"),
        (float("inf"), "Infinity"),
        (-float("inf"), "-Infinity"),
        (np.array([1.0, np.nan, -np.inf]), [1.0, "NaN", "-Infinity"]),
        (np.float32("nan"), "NaN"),
        ({1: {"a": np.float64("inf")}}, {"1": {"a": "Infinity"}}),
        (Colour.RED, "red"),
    ],
)
def test_values_in_jsons_own_types(value, expected):
    content = as_json(value)
    assert content == expected
    json.dumps(content, allow_nan=False)
    assert not isinstance(content, np.generic | np.ndarray)


@pytest.mark.parametrize("value", [{1, 2}, b"x", Path("x"), 1j, object(), np.datetime64("2023-01-01"), range])
def test_what_has_no_form_in_json_is_refused_and_nothing_is_written(tmp_path, value):
    with pytest.raises(TypeError, match="has no form in JSON"):
        write_json(tmp_path / "x.json", {"a": [value]})
    assert list(tmp_path.iterdir()) == []


def test_json_is_ascii_text_that_ends_with_a_line_and_reads_back(tmp_path):
    path = tmp_path / "new" / "folder" / "x.json"
    write_json(path, {"name": "año", "values": np.array([1.5, np.nan])})
    content = path.read_bytes()
    assert content.isascii()
    assert content.endswith(b"}\n")
    assert read_json(path) == {"name": "año", "values": [1.5, "NaN"]}
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not JSON"),
        (b"{", "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b"[1]", "holds a list, not an object"),
    ],
)
def test_a_damaged_json_is_named(tmp_path, content, message):
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match=rf"x\.json: {message}"):
        read_json(path)


def test_a_missing_json_is_named(tmp_path):
    with pytest.raises(ArtifactError, match=r"x\.json: cannot be read: No such file"):
        read_json(tmp_path / "x.json")
    with pytest.raises(ArtifactError, match="cannot be read"):
        read_json(tmp_path)


def test_a_file_in_place_of_the_folder_is_an_artifact_error(tmp_path):
    (tmp_path / "metrics").write_text("a file")
    with pytest.raises(ArtifactError, match=r"x\.json: cannot be written"):
        write_json(tmp_path / "metrics" / "x.json", {})
    assert (tmp_path / "metrics").read_text() == "a file"


def test_a_folder_in_place_of_the_file_is_an_artifact_error(tmp_path):
    (tmp_path / "x.json").mkdir()
    with pytest.raises(ArtifactError, match=r"x\.json: cannot be written"):
        write_json(tmp_path / "x.json", {})
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]


FULL_DISK = """
import sys
from pathlib import Path
from iquitos_citylearn.runtime.artifacts import ArtifactError, write_bytes
try:
    write_bytes(Path(sys.argv[1]), b"new" * 100_000)
except ArtifactError as error:
    print(error)
else:
    sys.exit("written in spite of the limit")
"""


def test_a_write_that_fails_midway_leaves_the_old_file_and_no_temporary_one(tmp_path):
    path = tmp_path / "x.bin"
    write_bytes(path, b"old")
    limit = 10_000  # bytes that a file may have: as on a disk that fills up
    done = subprocess.run(
        [sys.executable, "-c", "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n" + FULL_DISK, path],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert done.returncode == 0, done.stderr
    assert "x.bin: cannot be written: File too large" in done.stdout
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_who_reads_while_it_is_written_has_the_old_file_whole(tmp_path):
    path = tmp_path / "x.bin"
    write_bytes(path, b"old content")
    with path.open("rb") as reader:
        assert reader.read(3) == b"old"
        write_bytes(path, b"new")
        assert reader.read() == b" content"
    assert path.read_bytes() == b"new"


def test_write_through_keeps_the_old_file_when_the_writer_fails(tmp_path):
    path = tmp_path / "x.csv"
    write_bytes(path, b"old")

    def broken(temporary):
        assert temporary.suffix == ".csv"
        temporary.write_bytes(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_through(path, broken)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
    write_through(path, lambda temporary: temporary.write_bytes(b"new"))
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@settings(max_examples=50)
@given(values=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_numbers_of_a_csv_round_trip_exactly(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("csv") / "x.csv"
    single = np.array(values, dtype=np.float64).clip(-1e30, 1e30).astype(np.float32)
    write_csv(path, pd.DataFrame({"double": values, "single": single, "whole": range(len(values))}))
    rows = [line.split(",") for line in path.read_text().splitlines()]
    assert rows[0] == ["double", "single", "whole"]
    assert [float(row[0]) for row in rows[1:]] == values
    np.testing.assert_array_equal(np.array([row[1] for row in rows[1:]], dtype=np.float32), single)
    assert [int(row[2]) for row in rows[1:]] == list(range(len(values)))


def test_a_table_whose_text_breaks_its_rows_is_refused(tmp_path):
    with pytest.raises(ArtifactError, match=r"x\.csv: 2 rows for a table of 1; nothing was written"):
        write_csv(tmp_path / "x.csv", pd.DataFrame({"text": ["two\nlines"]}))
    assert list(tmp_path.iterdir()) == []


def test_sha256_of_a_known_text(tmp_path):
    write_bytes(tmp_path / "x", b"abc")
    # FIPS 180-2, appendix B.1.
    assert sha256(tmp_path / "x") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
