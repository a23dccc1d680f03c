import os
import subprocess
import sys

import pytest
from numpy.core import _multiarray_umath

from iquitos_citylearn.runtime import arithmetic
from iquitos_citylearn.runtime.arithmetic import CHOICES, NUMPY_DISABLED, SWITCHES, VARIABLE, choose_arithmetic
from iquitos_citylearn.runtime.arithmetic_check import (
    ArithmeticMismatchError,
    check_arithmetic,
    check_project_arithmetic,
    describe_arithmetic,
    unportable_warning,
)
from tests.pipelines import ROOT

needs_portable = pytest.mark.skipif(
    bool(arithmetic.missing_instructions()), reason="this processor has no portable arithmetic"
)


@pytest.fixture
def old_processor(monkeypatch, tmp_path):
    """A processor with AVX and without AVX2 and FMA."""
    monkeypatch.setattr(arithmetic, "CPU_INFO", tmp_path / "cpuinfo")
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nflags\t\t: fpu sse2 avx\n")


@pytest.fixture
def folder(monkeypatch, tmp_path):
    """An empty folder, and an environment that chooses nothing."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(VARIABLE)
    return tmp_path


@needs_portable
@pytest.mark.usefixtures("folder")
def test_portable_is_the_default_and_overrides_what_is_set():
    environment = {"MKL_CBWR": "AVX512", "NPY_ENABLE_CPU_FEATURES": "AVX2", "HOME": "/home/somebody"}
    assert choose_arithmetic(environment) == "portable"
    assert environment == {"HOME": "/home/somebody", VARIABLE: "portable", **SWITCHES}


@pytest.mark.parametrize("text", ["arithmetic: fastest\n", 'site: {}\narithmetic: "fastest" # as chosen\n'])
def test_params_choose(folder, text):
    (folder / "params.yaml").write_text(text)
    environment = {"MKL_CBWR": "AVX512"}
    assert choose_arithmetic(environment) == "fastest"
    assert environment == {"MKL_CBWR": "AVX512", VARIABLE: "fastest"}  # processes of other folders follow


def test_a_variable_overrides_the_params_but_not_in_a_stage(folder, monkeypatch):
    (folder / "params.yaml").write_text("arithmetic: portable\n")
    monkeypatch.setenv(VARIABLE, "fastest")
    assert choose_arithmetic() == "fastest"
    with pytest.raises(ArithmeticMismatchError, match=r"'fastest', and dvc.lock would record 'portable': unset it"):
        check_project_arithmetic()


@pytest.mark.parametrize("value", ["Portable", "", "fast"])
def test_another_value_is_an_error(value):
    with pytest.raises(ValueError, match=f"{VARIABLE}: arithmetic is '{value}'; valid are portable, fastest"):
        choose_arithmetic({VARIABLE: value})


@pytest.mark.usefixtures("old_processor")
def test_a_processor_without_avx2_is_left_alone_and_told():
    environment = {VARIABLE: "portable"}
    assert choose_arithmetic(environment) == "unportable"
    assert environment == {VARIABLE: "portable"}
    assert "lacks avx2 and fma: results will differ" in unportable_warning()
    assert describe_arithmetic()["arithmetic"] == "unportable"
    check_arithmetic()


@needs_portable
def test_others_are_told_nothing():
    assert unportable_warning() is None


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="another architecture has other names")
def test_numpy_is_denied_all_beyond_avx2():
    beyond = _multiarray_umath.__cpu_dispatch__[_multiarray_umath.__cpu_dispatch__.index("AVX2") + 1 :]
    assert NUMPY_DISABLED.split() == beyond


@needs_portable
def test_this_process_is_portable():
    import torch  # noqa: F401, PLC0415

    check_arithmetic()
    found = describe_arithmetic()
    assert {type(value) for value in found.values()} == {str}
    assert [found[name] for name in ("arithmetic", "numpy_avx512", "openblas_core")] == [
        "portable",
        "not used",
        "Haswell",
    ]
    assert [found[name] for name in ("mkl_cbwr", "torch_cpu_capability")] == ["COMPATIBLE", "AVX2"]


LATE = """
import {library}
from iquitos_citylearn.runtime.arithmetic_check import check_arithmetic
check_arithmetic()
"""


@needs_portable
@pytest.mark.parametrize(
    ("library", "switch", "message"),
    [
        ("numpy", {"OPENBLAS_CORETYPE": "Sandybridge"}, "OpenBLAS computes for Sandybridge"),
        ("torch; torch.ones(9).exp()", {"ATEN_CPU_CAPABILITY": "default"}, "torch computes for "),
        ("torch; torch.ones(9).exp()", {"MKL_CBWR": "AVX2"}, "MKL has branch number"),
    ],
)
def test_a_library_that_was_loaded_before_is_named(library, switch, message):
    environment = {name: value for name, value in os.environ.items() if name not in SWITCHES} | switch
    done = subprocess.run(
        [sys.executable, "-c", LATE.format(library=library)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert message in done.stderr
    assert f"or set {VARIABLE}={CHOICES[1]}" in done.stderr
