"""The README's recipes for remotes, each against a real server on 127.0.0.1: push from one clone, pull into another."""

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import sys
import time

import pytest

from tests.delivery.programs import program
from tests.pipelines import dvc, run

pytestmark = pytest.mark.servers

NGINX = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; worker_processes 1; {user}
events {{ worker_connections 64; }}
http {{
  access_log off; client_body_temp_path {folder}/body; client_max_body_size 0;
  server {{
    listen 127.0.0.1:{port}; root {folder}/www;
    location / {{ dav_methods PUT; create_full_put_path on; }}
  }}
}}
"""
SSHD = """
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
AuthorizedKeysFile {folder}/user.pub
PidFile {folder}/sshd.pid
StrictModes no
PasswordAuthentication no
PermitRootLogin yes
Subsystem sftp internal-sftp
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def server(port, *command):
    """Run a server until the block ends; enter it when the server answers."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        try:
            deadline = time.monotonic() + 60
            while True:
                with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
                    break
                assert process.poll() is None, process.stderr.read()
                assert time.monotonic() < deadline, command
                time.sleep(0.1)
            yield
        finally:
            process.terminate()
            process.wait(timeout=20)


@pytest.fixture
def folder_remote(tmp_path):
    (tmp_path / "shelf").mkdir()
    return [("add", str(tmp_path / "shelf"))]


@pytest.fixture
def ssh_remote(tmp_path):
    sshd, port = program("sshd"), free_port()
    for name in ("host", "user"):
        run(tmp_path, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", name)
    (tmp_path / "sshd.conf").write_text(SSHD.format(folder=tmp_path, port=port))
    if os.geteuid() == 0:
        os.makedirs("/run/sshd", exist_ok=True)  # noqa: PTH103 - of Debian's service, which is not used here
    with server(port, sshd, "-D", "-e", "-f", str(tmp_path / "sshd.conf")):
        url = f"ssh://{getpass.getuser()}@127.0.0.1:{port}{tmp_path}/shelf"
        yield [("add", url), ("keyfile", str(tmp_path / "user"))]


@pytest.fixture
def http_remote(tmp_path):
    nginx, port = program("nginx"), free_port()
    (tmp_path / "www").mkdir()
    user = f"user {getpass.getuser()};" if os.geteuid() == 0 else ""
    (tmp_path / "nginx.conf").write_text(NGINX.format(folder=tmp_path, port=port, user=user))
    with server(port, nginx, "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")):
        yield [("add", f"http://127.0.0.1:{port}/shelf"), ("method", "PUT")]


@pytest.fixture
def s3_remote():
    import boto3  # noqa: PLC0415 - comes with the servers' own lock

    port = free_port()
    with server(port, sys.executable, "-m", "moto.server", "-p", str(port)):
        endpoint = f"http://127.0.0.1:{port}"
        keys = {"aws_access_key_id": "newcomer", "aws_secret_access_key": "no secret"}
        boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", **keys).create_bucket(Bucket="shelf")
        yield [
            ("add", "s3://shelf/iquitos"),
            ("endpointurl", endpoint),
            ("region", "us-east-1"),
            ("access_key_id", keys["aws_access_key_id"]),
            ("secret_access_key", keys["aws_secret_access_key"]),
        ]


def configure(folder, settings):
    """Enter a remote into the local config of a clone, which git does not see."""
    for option, value in settings:
        if option == "add":
            dvc(folder, "remote", "add", "--local", "mine", value)
        else:
            dvc(folder, "remote", "modify", "--local", "mine", option, value)
    assert run(folder, "git", "status", "--porcelain", "--", ".dvc") == ""


@pytest.mark.parametrize("kind", ["folder", "ssh", "http", "s3"])
def test_what_one_clone_pushes_another_pulls(kind, request, clone, tmp_path):
    settings = request.getfixturevalue(f"{kind}_remote")
    dvc(clone, "pull")
    configure(clone, settings)
    dvc(clone, "push", "--remote", "mine")
    other = tmp_path / "other"
    run(tmp_path, "git", "clone", "--quiet", str(clone), str(other))
    shutil.rmtree(other / "release")
    configure(other, settings)
    run(other, sys.executable, "-m", "iquitos_citylearn.tools.pull", "mine")
    assert dvc(other, "status").strip() == "Data and pipelines are up to date."


def test_http_that_only_reads_serves_a_copied_folder(http_remote, clone, tmp_path):
    shutil.copytree(clone / "release", tmp_path / "www" / "shelf")
    shutil.rmtree(clone / "release")
    configure(clone, http_remote[:1])
    dvc(clone, "pull", "--remote", "mine")
    assert dvc(clone, "status").strip() == "Data and pipelines are up to date."
