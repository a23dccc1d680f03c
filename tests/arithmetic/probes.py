"""Each numerical library alone: what the pipeline uses of it, on fixed numbers, as a hash.

When outputs differ between processors, the probes that differ say which library does, and its switch.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import highspy
import numba
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import torch
from scipy import linalg, signal, special, stats

from iquitos_citylearn.agents.shared_net import SharedNet
from iquitos_citylearn.agents.square_root import square_root
from iquitos_citylearn.optimum.program import SOLVER_OPTIONS
from tests.arithmetic.tiny_run import hash_of

Parts = Iterator[Any]
N = 5003


class Probe(NamedTuple):
    """What one library computes, and what decides how."""

    compute: Callable[[], Parts]
    switch: str


def numbers(seed: int, *shape: int) -> np.ndarray:
    """Return multiples of 2**-20 in [0.1, 0.9): the same whatever a library computes with."""
    integers = np.random.default_rng(seed).integers(round(0.1 * 2**20), round(0.9 * 2**20), shape)
    return integers / 2.0**20


X, Y, ROWS, COLUMNS = numbers(1, N), numbers(2, N), numbers(3, 333, 217), numbers(4, 217, 129)
SQUARE = numbers(5, 90, 90) + 20.0 * np.eye(90)


def libm() -> Parts:
    values = X.tolist()
    for function in (math.exp, math.log, math.sin, math.cos, math.tan, math.log1p, math.expm1, math.erf):
        yield np.array([function(value) for value in values])
    yield np.array([left**right for left, right in zip(values, Y.tolist(), strict=True)])


def numpy_functions() -> Parts:
    for function in (np.exp, np.log, np.sin, np.cos, np.sqrt, np.expm1, np.log1p, np.log10, np.arctan):
        yield function(X)
    yield X**Y
    yield np.exp(X.astype(np.float32))


def numpy_sums() -> Parts:
    yield from (X.sum(), ROWS.sum(axis=0), ROWS.mean(axis=1), X.std(), X.astype(np.float32).sum(), np.cumsum(X))


def numpy_products() -> Parts:
    yield from (ROWS @ COLUMNS, ROWS @ COLUMNS[:, 0], X @ Y, ROWS.astype(np.float32) @ COLUMNS.astype(np.float32))
    yield np.linalg.solve(SQUARE, SQUARE[:, 0])


def numpy_generators() -> Parts:
    generator = np.random.default_rng(0)
    yield from (generator.normal(size=N), generator.gamma(2.0, size=N), generator.beta(2.0, 3.0, size=N))
    yield from (generator.poisson(3.0, N), generator.exponential(size=N))


def scipy_functions() -> Parts:
    yield from (special.expit(X), special.logit(X), stats.norm.ppf(X), stats.norm.cdf(X), stats.beta.ppf(X[:99], 2, 3))
    yield from (stats.binom.pmf(np.arange(30), 40, 0.3), signal.lfilter([1.0], [1.0, -0.7], X))


def scipy_linear_algebra() -> Parts:
    yield from (linalg.solve(SQUARE, SQUARE[:, 1]), linalg.cholesky(SQUARE @ SQUARE.T), linalg.lu(SQUARE)[2])


def numba_kernel() -> Parts:
    yield from _kernel(X, Y)


@numba.njit(error_model="numpy")
def _kernel(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, float]:
    out, total = np.empty_like(x), 0.0
    for i in range(len(x)):
        out[i] = math.exp(x[i]) * y[i] + math.log(y[i]) - math.sin(x[i]) * math.cos(y[i]) + x[i] ** y[i]
        total += out[i] * x[i] - y[i]
    return out, total


def tables() -> Parts:
    series = pd.Series(X)
    yield from (series.sum(), series.std(), series.rolling(7).mean().to_numpy())
    yield series.groupby(np.arange(N) % 24).mean().to_numpy()
    yield from (function(pa.array(X)).as_py() for function in (pc.sum, pc.mean, pc.stddev))


def highs() -> Parts:
    """Solve a transport problem of 30 x 40 with prices that leave one optimum."""
    solver = highspy.Highs()
    for option, value in SOLVER_OPTIONS.items():
        solver.setOptionValue(option, value)
    prices, supply, demand = numbers(6, 30, 40), numbers(7, 30) * 3.0, numbers(8, 40)
    variables = [[solver.addVariable(lb=0.0, ub=0.4, obj=price) for price in row] for row in prices.tolist()]
    for row, limit in zip(variables, supply.tolist(), strict=True):
        solver.addConstr(sum(row) <= limit)
    for column, needed in zip(zip(*variables, strict=True), demand.tolist(), strict=True):
        solver.addConstr(sum(column) >= needed)
    solver.run()
    yield from (np.array(solver.getSolution().col_value), solver.getObjectiveValue())


def torch_functions() -> Parts:
    """Compute MKL's vector functions; of these, the root, asin, acos and atan differ and are not used."""
    for values in (torch.from_numpy(X), torch.from_numpy(X).float()):
        for function in (torch.exp, torch.log, torch.erf, torch.tan):
            yield function(values).numpy()


def torch_own_functions() -> Parts:
    for values in (torch.from_numpy(X), torch.from_numpy(X).float()):
        for function in (torch.tanh, torch.sigmoid, torch.atanh, torch.log1p, torch.sum, torch.std, square_root):
            yield function(values).numpy()
        yield torch.nn.functional.softplus(values).numpy()
        yield torch.randn(N, dtype=values.dtype, generator=torch.Generator().manual_seed(0)).numpy()


def torch_products() -> Parts:
    for kind in (torch.float64, torch.float32):
        rows, columns = torch.from_numpy(ROWS).to(kind), torch.from_numpy(COLUMNS).to(kind)
        yield from ((rows @ columns).numpy(), (rows @ columns[:, 0]).numpy(), torch.dot(rows[0], rows[1]).numpy())


def torch_training() -> Parts:
    """Train a small network with Adam in one kernel."""
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(40, 32), torch.nn.ReLU(), torch.nn.Linear(32, 1))
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, fused=True)
    inputs = torch.from_numpy(numbers(9, 700, 40)).float()
    for _ in range(5):
        optimizer.zero_grad()
        (network(inputs) - inputs[:, :1]).square().mean().backward()
        optimizer.step()
    yield from (weight.detach().numpy() for weight in network.parameters())


def shared_network() -> Parts:
    """Pass as many rows as an update has through the shared network, forward and backward (oneDNN's products)."""
    torch.manual_seed(0)
    network = SharedNet(41, 32, 11, 5.0)
    for n_rows in (128, 3840, 11520):
        rows = torch.from_numpy(numbers(10, n_rows, 41)).float()
        changing = rows[:, -4:].clone().requires_grad_()
        outputs = network(rows, changing)
        outputs.square().mean().backward()
        yield from (outputs.detach().numpy(), changing.grad.numpy())
        yield from (weight.grad.numpy() for weight in network.parameters())


PROBES = {
    "libm (exp, log, sin, pow in Python)": Probe(libm, "glibc's own choice: version, or GLIBC_TUNABLES"),
    "NumPy's functions": Probe(numpy_functions, "NPY_DISABLE_CPU_FEATURES"),
    "NumPy's sums": Probe(numpy_sums, "NPY_DISABLE_CPU_FEATURES"),
    "NumPy's products (OpenBLAS)": Probe(numpy_products, "OPENBLAS_CORETYPE, OPENBLAS_NUM_THREADS"),
    "NumPy's generators": Probe(numpy_generators, "glibc's own choice: version, or GLIBC_TUNABLES"),
    "SciPy's functions": Probe(scipy_functions, "glibc's own choice: version, or GLIBC_TUNABLES"),
    "SciPy's linear algebra (OpenBLAS)": Probe(scipy_linear_algebra, "OPENBLAS_CORETYPE, OPENBLAS_NUM_THREADS"),
    "Numba's kernels": Probe(numba_kernel, "NUMBA_DISABLE_INTEL_SVML, or glibc's own choice"),
    "pandas and Arrow": Probe(tables, "ARROW_USER_SIMD_LEVEL"),
    "HiGHS": Probe(highs, "none known: its version"),
    "torch's functions (MKL)": Probe(torch_functions, "MKL_CBWR"),
    "torch's own functions": Probe(torch_own_functions, "ATEN_CPU_CAPABILITY"),
    "torch's products (MKL, oneDNN)": Probe(torch_products, "MKL_CBWR, ONEDNN_MAX_CPU_ISA, OMP_NUM_THREADS"),
    "the shared network (oneDNN, MKL)": Probe(shared_network, "ONEDNN_MAX_CPU_ISA, MKL_CBWR"),
    "torch's training": Probe(torch_training, "MKL_CBWR, ATEN_CPU_CAPABILITY, ONEDNN_MAX_CPU_ISA"),
}


def probe_hashes() -> dict[str, str]:
    """Return the hash of each probe."""
    torch.set_num_threads(1)
    return {name: hash_of(*probe.compute()) for name, probe in PROBES.items()}
