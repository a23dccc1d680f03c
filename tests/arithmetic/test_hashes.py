"""The committed hashes, made anew on this processor in an environment that would have libraries compute otherwise."""

import json
import os
import subprocess
import sys

import pytest

from iquitos_citylearn.runtime.arithmetic import missing_instructions
from tests.arithmetic.hashes import GOLDEN, describe_difference
from tests.pipelines import ROOT

FOREIGN = {
    "OMP_NUM_THREADS": "7",
    "OPENBLAS_NUM_THREADS": "3",
    "OPENBLAS_CORETYPE": "SkylakeX",
    "MKL_CBWR": "AUTO",
    "ATEN_CPU_CAPABILITY": "default",
    "NPY_ENABLE_CPU_FEATURES": "AVX2",
    "TZ": "America/Lima",
    "LC_ALL": "C",
}
LIMIT_S = 1200
COMMITTED = json.loads(GOLDEN.read_text(encoding="ascii"))


@pytest.mark.timeout(LIMIT_S)
@pytest.mark.skipif(
    bool(missing_instructions()),
    reason=f"portable arithmetic needs {' and '.join(missing_instructions())}, which this processor has not",
)
def test_this_processor_makes_the_committed_bytes(tmp_path):
    file = tmp_path / "hashes.json"
    command = [sys.executable, "-m", "tests.arithmetic.hashes", str(file)]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | FOREIGN, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(file.read_text(encoding="ascii"))
    assert found == COMMITTED, describe_difference(COMMITTED, found)


def test_a_difference_names_outputs_libraries_and_switches():
    found = {part: dict(hashes) for part, hashes in COMMITTED.items()}
    assert describe_difference(COMMITTED, found) == ""
    found["outputs"]["sac: weights"] = "another"
    assert "sac: weights\nevery library by itself gives the same bytes" in describe_difference(COMMITTED, found)
    found["probes"]["torch's functions (MKL)"] = "another"
    text = describe_difference(COMMITTED, found)
    assert "sac: weights" in text
    assert "torch's functions (MKL): differs by itself; its switch is MKL_CBWR" in text
