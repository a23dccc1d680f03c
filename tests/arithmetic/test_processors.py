"""The same bytes natively and on emulated processors of both makers; `make test-processors`.

The emulator (Debian's qemu-user) has AVX2 and FMA and no AVX-512: where the machine has that, its own run is the case.
Each emulated processor compiles its kernels itself.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from iquitos_citylearn.runtime.arithmetic import missing_instructions
from tests.arithmetic.hashes import describe_difference
from tests.pipelines import ROOT

EMULATOR = "qemu-x86_64"
PROCESSORS = {"Intel": "Haswell-v4", "AMD": "EPYC-v1"}
LIMIT_S = 3600

pytestmark = [
    pytest.mark.processors,
    pytest.mark.timeout(LIMIT_S),
    pytest.mark.skipif(bool(missing_instructions()), reason="this processor has no portable arithmetic"),
    pytest.mark.skipif(shutil.which(EMULATOR) is None, reason=f"{EMULATOR} is not installed"),
]


def start(folder, name, *prefix):
    """Start the tiny run, here or behind an emulator; return the process and the file that it writes."""
    file, log = folder / f"{name}.json", folder / f"{name}.log"
    program = os.path.realpath(sys.executable)  # an emulator is given no link
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(
            [str(ROOT), str(ROOT / "src"), *(path for path in sys.path if "-packages" in path)]
        ),
        "NUMBA_CACHE_DIR": str(folder / f"{name}_kernels"),
    }
    with log.open("w") as stream:
        command = [*prefix, str(program), "-m", "tests.arithmetic.hashes", str(file)]
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=stream, stderr=stream)
    return process, file


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Hashes of the machine itself and of every emulated processor, run side by side."""
    folder = tmp_path_factory.mktemp("processors")
    prefixes = {"native": [], **{name: [EMULATOR, "-cpu", model] for name, model in PROCESSORS.items()}}
    runs = {name: start(folder, name, *prefix) for name, prefix in prefixes.items()}
    try:
        for name, (process, _) in runs.items():
            assert process.wait() == 0, (folder / f"{name}.log").read_text()[-3000:]
    finally:
        for process, _ in runs.values():
            process.kill()
    return {name: json.loads(Path(file).read_text(encoding="ascii")) for name, (_, file) in runs.items()}


@pytest.mark.parametrize("name", PROCESSORS)
def test_an_emulated_processor_makes_the_same_bytes(found, name):
    assert found[name] == found["native"], describe_difference(found["native"], found[name])
