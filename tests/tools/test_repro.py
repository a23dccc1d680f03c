"""The runner around `dvc repro`, on real DVC and small pipelines of shell commands."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest
import yaml

RUNNER = [sys.executable, "-m", "iquitos_citylearn.tools.repro"]


@pytest.fixture
def project(tmp_path):
    subprocess.run([sys.executable, "-m", "dvc", "init", "--quiet", "--no-scm"], cwd=tmp_path, check=True)

    def write(**commands):
        stages = {name: {"cmd": command} for name, command in commands.items()}
        (tmp_path / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}, sort_keys=False), encoding="utf-8")
        return tmp_path

    return write


def start(folder, **environment):
    return subprocess.Popen(
        RUNNER,
        cwd=folder,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def wait_for(path, seconds=1200.0):
    deadline = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} never appeared"
        time.sleep(0.05)


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def interrupted_status(process, number):
    # As a terminal does: the signal goes to the whole foreground group.
    os.killpg(process.pid, number)
    output, _ = process.communicate(timeout=1200)
    return process.returncode, output


def test_a_failed_stage_stops_nothing_and_is_named_last(project):
    folder = project(first="touch first", broken="exit 7", last="touch last")
    process = start(folder)
    output, _ = process.communicate(timeout=1200)
    assert process.returncode == 255
    assert (folder / "last").exists()
    assert output.strip().splitlines()[-1] == "ERROR: failed to reproduce 'broken'"


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_the_whole_run(project, number, status):
    folder = project(long="echo $$ > pid; sleep 3000", next="touch next")
    process = start(folder)
    wait_for(folder / "pid")
    returned, output = interrupted_status(process, number)
    assert returned == status
    assert "next" not in re.findall(r"Running stage '(\w+)'", output)
    assert not (folder / "next").exists()
    assert not is_running(int((folder / "pid").read_text()))


def test_the_interrupted_stage_may_finish_what_it_writes(project):
    saver = "import pathlib, time\npathlib.Path('up').touch()\ntry:\n  time.sleep(3000)\nfinally:\n"
    saver += "  time.sleep(1)\n  pathlib.Path('saved').touch()\n"
    folder = project(saver="python saver.py", next="touch next")
    (folder / "saver.py").write_text(saver, encoding="utf-8")
    process = start(folder)
    wait_for(folder / "up")
    returned, _ = interrupted_status(process, signal.SIGINT)
    assert returned == 130
    assert (folder / "saved").exists()
    assert not (folder / "next").exists()


def test_the_run_after_an_interruption_starts_where_it_ended(project):
    folder = project(first="touch first", long="touch up; [ -e go ] || sleep 3000", next="touch next")
    process = start(folder)
    wait_for(folder / "up")
    interrupted_status(process, signal.SIGINT)
    (folder / "go").touch()
    assert subprocess.run(RUNNER, cwd=folder, check=False, capture_output=True).returncode == 0
    assert (folder / "next").exists()


def test_it_runs_without_home_user_and_with_any_shell(project):
    folder = project(only='echo "$HOME" > home')
    process = start(folder, HOME="/nonexistent", SHELL="/bin/false")
    output, _ = process.communicate(timeout=1200)
    assert process.returncode == 0, output
    assert (folder / "home").read_text().strip() == str(folder / ".dvc" / "tmp")
