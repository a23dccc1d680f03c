"""Programs that a test needs and this machine may lack."""

import os
import shutil
import subprocess

import pytest

DEBIAN = {"sshd": "openssh-server", "nginx": "nginx-light", "docker-compose": "docker-compose", "npm": "npm"}
"""The package of each."""


def program(name):
    """Return where a program is, installed from Debian if need be; skip, loudly, where that can't be."""
    search = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    if not shutil.which(name, path=search):
        command = f"apt-get update -qq && apt-get install -y -qq --no-install-recommends {DEBIAN[name]}"
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        done = subprocess.run(["sh", "-c", command], env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.skip(f"NOT TESTED: {name} is not here and can't be installed: {done.stderr.strip()[-200:]}")
    return shutil.which(name, path=search)
