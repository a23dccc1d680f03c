import re
import shutil
import subprocess
import sys

import pytest

from tests.defaults import ROOT

LOCKS = ("base.lock", "torch-cuda.lock", "servers.lock")
PIN = re.compile(r"^(\S+)==(\S+) \\$", flags=re.MULTILINE)


def read(name):
    return (ROOT / "requirements" / name).read_text(encoding="utf-8")


def test_every_locked_version_stands_in_the_list_of_licences():
    listed = re.findall(r"^\| (\S+) \| (\S+) \| \S", read("LICENCES.md"), flags=re.MULTILINE)
    assert [row for row in listed if row[0] != "package"] == [pin for lock in LOCKS for pin in PIN.findall(read(lock))]


def test_every_line_of_a_lock_is_a_hashed_pin_and_names_no_host():
    for lock in LOCKS:
        assert re.fullmatch(r"(\S+==\S+ \\\n(    --hash=sha256:[0-9a-f]{64}( \\)?\n)+)+", read(lock)), lock


def test_locks_share_no_package():
    names = [name for lock in LOCKS for name, _ in PIN.findall(read(lock))]
    assert len(names) == len(set(names))


@pytest.mark.servers
def test_the_locks_are_what_their_inputs_compile_to(tmp_path):
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    command = [sys.executable, str(tmp_path / "requirements" / "lock.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "Failed to fetch" in done.stderr:
        pytest.skip(f"NOT TESTED: the locks; no registry answers: {done.stderr.splitlines()[1].strip()}")
    assert done.returncode == 0, done.stderr
    for lock in LOCKS:
        assert (tmp_path / "requirements" / lock).read_text(encoding="utf-8") == read(lock), lock
