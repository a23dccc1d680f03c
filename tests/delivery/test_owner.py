"""For whom `make image` builds: a plain `docker run` of the image writes files of this user."""

import os
import re

import pytest

from tests.defaults import ROOT
from tests.pipelines import run


@pytest.mark.parametrize(
    ("caller", "behind_sudo", "owner"),
    [
        ("1001:100", None, "1001:100"),
        ("1001:0", None, "1001:0"),
        ("1001:100", "1234:99", "1001:100"),
        ("0:0", "1234:99", "1234:99"),
        ("0:0", "0:0", "1000:1000"),
        ("0:0", None, "1000:1000"),
    ],
    ids=["user", "user of the root group", "sudo -u", "sudo", "sudo by root", "root"],
)
def test_the_image_is_the_callers_and_never_roots(monkeypatch, tmp_path, caller, behind_sudo, owner):
    uid, gid = caller.split(":")
    (tmp_path / "id").write_text(f'#!/bin/sh\n[ "$1" = -u ] && echo {uid} || echo {gid}\n')
    (tmp_path / "id").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    for name, number in zip(("SUDO_UID", "SUDO_GID"), (behind_sudo or ":").split(":"), strict=True):
        monkeypatch.setenv(name, number)
    monkeypatch.delenv("OWNER", raising=False)
    assert re.findall(r"OWNER=(\S+)", run(ROOT, "make", "--dry-run", "image")) == [owner]
