import json
import logging

import pytest

from iquitos_citylearn.evaluation.results import COMPLETE, OutputError, text_file, write_outputs, write_result
from iquitos_citylearn.runtime.artifacts import write_bytes

RESULT = {
    "status": COMPLETE,
    "policy": "sac",
    "kind": "agent",
    "seed": 1,
    "co2_kg": 5.5,
    "self_consumption": 0.4,
    "ev_service": None,
    "certification": {"n_steps": 3, "max_abs_deviation": 0.0},
    "runs": [{"seed": 1}],
}
NO_JSON = object()


@pytest.fixture
def file(tmp_path):
    return tmp_path / "result_SAC.json"


@pytest.fixture
def log(caplog):
    caplog.set_level(logging.INFO)
    return caplog


def test_a_whole_result_is_written_and_nothing_else(file, log):
    write_result(file, RESULT)
    assert json.loads(file.read_text()) == RESULT
    assert list(file.parent.iterdir()) == [file]
    assert log.messages == [f"{file}: whole result written"]


def test_a_value_without_a_form_costs_all_but_the_critical_fields(file, log):
    with pytest.raises(OutputError, match=r"result_SAC\.json is only the minimal result: .* has no form in JSON"):
        write_result(file, RESULT | {"runs": [NO_JSON]})
    result = json.loads(file.read_text())
    kept = {name: RESULT[name] for name in ("policy", "kind", "seed", "co2_kg", "ev_service", "certification")}
    assert result == {"status": "minimal", **kept, "error": result["error"]}
    assert "a object has no form in JSON" in result["error"]
    assert [message.split(" result")[0].split(": ")[-1] for message in log.messages] == ["whole", "minimal"]


def test_a_critical_field_without_a_form_leaves_the_error(file, log):
    with pytest.raises(OutputError, match="is only the stub result"):
        write_result(file, RESULT | {"co2_kg": NO_JSON})
    result = json.loads(file.read_text())
    assert result == {"status": "stub", "error": result["error"]}
    assert len(log.messages) == 3


def test_where_no_json_can_be_written_a_text_stands_beside_it(file, log):
    file.mkdir()
    with pytest.raises(OutputError, match=r"result_SAC\.txt is only the text result: .*result_SAC\.json: cannot be"):
        write_result(file, RESULT)
    assert file.is_dir()
    assert text_file(file).read_text().startswith(f"status: text\nerror: {file}: cannot be written: Is a directory")
    assert len(log.messages) == 4


def test_where_nothing_can_be_written_the_error_says_so(tmp_path):
    (tmp_path / "metrics").write_text("a file in the place of the folder")
    with pytest.raises(OutputError, match=r"no form of the result could be written: .*cannot be written"):
        write_result(tmp_path / "metrics" / "result_SAC.json", RESULT)


def test_a_result_takes_the_text_beside_it_away(file):
    text_file(file).write_text("status: text")
    write_result(file, RESULT)
    assert list(file.parent.iterdir()) == [file]


def test_an_endless_result_is_refused_not_followed(file):
    runs = []
    runs.append(runs)
    with pytest.raises(OutputError, match=r"is only the minimal result: .*recursion"):
        write_result(file, RESULT | {"runs": runs})


def test_a_table_that_fails_stops_no_other_and_the_result_says_so(file, tmp_path):
    def fail(path):
        raise ValueError(f"{path} is no table")

    tables = {tmp_path / "first.csv": fail, tmp_path / "second.csv": lambda path: write_bytes(path, b"a\n1\n")}
    with pytest.raises(OutputError, match=r"first\.csv is no table$"):
        write_outputs(file, RESULT, tables)
    assert (tmp_path / "second.csv").read_bytes() == b"a\n1\n"
    result = json.loads(file.read_text())
    assert result == RESULT | {"status": "incomplete", "error": result["error"]}
    assert result["error"].endswith("first.csv is no table")


def test_a_result_that_fails_takes_no_table_with_it_and_every_failure_is_named(file, tmp_path):
    file.mkdir()
    (tmp_path / "first.csv").mkdir()
    tables = {tmp_path / name: lambda path: write_bytes(path, b"a\n1\n") for name in ("first.csv", "second.csv")}
    with pytest.raises(OutputError, match=r"first\.csv: cannot be written.*; .*result_SAC\.txt is only the text"):
        write_outputs(file, RESULT, tables)
    assert (tmp_path / "second.csv").read_bytes() == b"a\n1\n"
