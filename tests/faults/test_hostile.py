"""Terminals without Unicode or gone, no home, files that vanish, a clock that went back: no effect on results."""

import contextlib
import os
import pty
import shutil
import subprocess
import threading

import pytest

from tests.comparison.test_compare import write_results
from tests.defaults import ROOT
from tests.faults.project import LIMIT_S, PROGRAM

pytestmark = [pytest.mark.faults, pytest.mark.xdist_group("hostile")]

FAR_AHEAD_S, LONG_AGO_S = 4e9, 1e9


def model_of(project):
    return (project.folder / "models" / "ppo" / "seed_0.zip").read_bytes()


def environment(**changes):
    return {name: value for name, value in (os.environ | changes).items() if value is not None}


def drain(terminal, said):
    with contextlib.suppress(OSError):  # the end of a terminal that nobody writes to any more
        while chunk := os.read(terminal, 4096):
            said.append(chunk)


@pytest.mark.skipif(not str(ROOT).isascii(), reason="Python with UTF-8 switched off can't name this folder")
def test_progress_bars_on_an_ascii_terminal_without_home(project, left_alone):
    here, there = pty.openpty()
    said = []
    reader = threading.Thread(target=drain, args=(here, said))
    reader.start()
    plain = environment(HOME=None, LC_ALL="C", PYTHONUTF8="0", PYTHONIOENCODING="ascii", TERM="xterm")
    process = project.start(stderr=there, env=plain)
    os.close(there)
    status = process.wait(LIMIT_S)
    reader.join()
    os.close(here)
    shown = b"".join(said)
    assert status == 0, shown
    assert shown.isascii()
    assert b"ppo seed 0" in shown
    assert model_of(project) == left_alone.payload


def test_output_into_a_pipe_that_nobody_reads(project, left_alone):
    reading, writing = os.pipe()
    os.close(reading)
    process = project.start(stdout=writing, stderr=writing)
    os.close(writing)
    assert process.wait(LIMIT_S) == 0
    assert model_of(project) == left_alone.payload


def test_a_comparison_that_nobody_reads_is_written(project):
    write_results(project.folder / "metrics")
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run((*PROGRAM, "compare"), cwd=project.folder, check=False, stdout=writing)
    os.close(writing)
    assert done.returncode == 0
    written = {path.name for path in (project.folder / "metrics").glob("[ce]*")}
    assert written == {"comparison.json", "comparison.md", "environment.json"}


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_status_that_the_terminal_has_no_letters_for(project, encoding):
    params = project.folder / "params.yaml"
    params.write_text(params.read_text(encoding="utf-8").replace("device: cpu", "device: año-☀"), encoding="utf-8")
    assert project.train()[0] == 1
    done = project.run("status", encoding=encoding, env=environment(PYTHONIOENCODING=encoding))
    assert done.returncode == 1
    assert f"train.ppo.device is '{'año'.encode(encoding, 'backslashreplace').decode(encoding)}-\\u2600'" in done.stdout


def test_checkpoints_and_status_files_that_vanish(project, left_alone):
    process = project.start()
    project.wait_for_checkpoint(process)
    shutil.rmtree(project.checkpoints / "seed_0")
    shutil.rmtree(project.folder / "runs")
    project.wait_for_checkpoint(process)
    assert process.wait(LIMIT_S) == 0, project.said()
    assert model_of(project) == left_alone.payload


def test_a_clock_that_went_back(project, left_alone):
    process = project.start()
    project.wait_for_checkpoint(process)
    project.wait_for_checkpoint(process)
    process.kill()
    process.wait()
    *older, newest = sorted(project.checkpoints.glob("seed_0/step_*.sealed"))
    step = project.newest_step()
    for file in older:
        os.utime(file, (FAR_AHEAD_S, FAR_AHEAD_S))
    os.utime(newest, (LONG_AGO_S, LONG_AGO_S))
    report = project.folder / "runs" / "train_ppo" / "status.json"
    os.utime(report, (FAR_AHEAD_S, FAR_AHEAD_S))
    assert "as if killed" in project.run("status").stdout
    status, said = project.train()
    assert status == 0
    assert f"resumed at step {step}" in said
    assert model_of(project) == left_alone.payload
