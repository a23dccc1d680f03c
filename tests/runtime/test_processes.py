"""Processes side by side: `src/iquitos_citylearn/runtime/processes.py`."""

import gc
import operator
import os
import signal
import subprocess
import sys
from functools import partial
from multiprocessing import forkserver

import pytest

from iquitos_citylearn.runtime.process_memory import GC_THRESHOLD
from iquitos_citylearn.runtime.processes import SameProcess, run_in_processes
from tests.trainings import ends, is_alive

LIMIT_S = 1200.0


def test_dead_process_is_an_error():
    with pytest.raises(RuntimeError, match="one of 2 processes died"):
        run_in_processes(os._exit, [3, 3])


def test_an_error_in_a_process_is_an_error_here():
    with pytest.raises(ZeroDivisionError):
        run_in_processes(partial(operator.truediv, 1), [0, 1])


def test_processes_work_in_the_folder_that_this_one_is_in(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run_in_processes(os.path.abspath, ["."]) == [str(tmp_path)]


def test_processes_keep_the_order():
    assert run_in_processes(abs, [-3, 2, -1]) == [3, 2, 1]


def test_this_process_runs_tasks_like_others():
    with SameProcess() as executor:
        assert list(executor.map(operator.add, [1, 2], [3, 4])) == [4, 6]
        assert executor.submit(os.getpid).result() == os.getpid()
        with pytest.raises(ZeroDivisionError):
            executor.submit(operator.truediv, 1, 0)


KILLED = """
import os, signal, time
from iquitos_citylearn.runtime.processes import process_pool
with process_pool() as pool:
    print(pool.submit(os.getpid).result(), flush=True)
    time.sleep(600)
"""


def test_a_process_that_waits_for_work_ends_with_the_one_that_was_killed_and_leaves_no_file(tmp_path):
    folder = tmp_path / ("long" * 30)  # more than the address of a socket may have
    folder.mkdir()
    own = os.environ | {"TMPDIR": str(folder)}
    with subprocess.Popen([sys.executable, "-c", KILLED], stdout=subprocess.PIPE, text=True, env=own) as program:
        worker = int(program.stdout.readline())
        assert is_alive(worker)
        program.kill()
    assert ends(worker, LIMIT_S)
    assert not any(folder.iterdir())


def test_processes_are_started_again_when_the_one_that_they_are_forked_from_has_died():
    assert run_in_processes(abs, [-3]) == [3]
    server = forkserver._forkserver._forkserver_pid
    os.kill(server, signal.SIGKILL)
    os.waitid(os.P_PID, server, os.WEXITED | os.WNOWAIT)  # its end is left for the next start to find
    assert run_in_processes(abs, [-3]) == [3]
    assert forkserver._forkserver._forkserver_pid != server


def gc_threshold(_):
    return gc.get_threshold()[0]


def test_processes_search_for_garbage_rarely():
    assert run_in_processes(gc_threshold, [0, 1]) == [GC_THRESHOLD, GC_THRESHOLD]
