"""What decides a training: params, data, code and versions, each with its own line, so that a change has a name."""

import hashlib
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from iquitos_citylearn.params import Params
from iquitos_citylearn.runtime.arithmetic import arithmetic_of, chosen_arithmetic
from iquitos_citylearn.runtime.artifacts import sha256

PACKAGE = "iquitos_citylearn"
NOT_DECIDING_MODULES = frozenset({f"{PACKAGE}.cli"})
NOT_DECIDING_PARAMS = frozenset({"seeds", "checkpoint_every"})
DECIDING_PACKAGES = (
    "gymnasium",
    "llvmlite",
    "numba",
    "numpy",
    "pandas",
    "pyarrow",
    "stable-baselines3",
    "torch",
)
"""Packages that every training computes with, besides its algorithm's own, by the names they are installed under."""
N_NAMED_CHANGES = 8


def training_fingerprint(agent: str, seed: int, device: str, params: Params, training_folder: Path) -> dict[str, str]:
    """Return what decides a training, by name.

    The code is that of the package's modules that are loaded: called when a training starts, these are all it uses.

    Parameters
    ----------
    agent : str
        Name of the agent.
    seed : int
        The seed that is trained.
    device : str
        `cpu` or `cuda`.
    params : Params
        `environment`, `reward` and `train.<agent>` decide, and what it imitates; the list of seeds and
        checkpoints do not.
    training_folder : Path
        The data set of the training.
    """
    used: dict[str, Any] = {
        "environment": params.environment.model_dump(),
        "reward": params.reward.model_dump(),
        f"train.{agent}": params.agent(agent).model_dump(exclude=set(NOT_DECIDING_PARAMS)),
    }
    if params.agent(agent).imitation is not None:
        used["control.rollout"] = params.control.rollout.model_dump()
    return {
        "seed": str(seed),
        "device": device,
        "arithmetic": arithmetic_of(chosen_arithmetic()),
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        **{f"param {name}": repr(value) for name, value in _flat(used)},
        **{f"data {path.relative_to(training_folder).as_posix()}": sha256(path) for path in _files(training_folder)},
        **{f"module {name}": _sha256_of_module(name) for name in _loaded_modules()},
        **{f"version of {name}": version(name) for name in DECIDING_PACKAGES},
        "build of torch": str(torch.__version__),
        **_algorithms_package(params.agent(agent).algorithm),
    }


def describe_changes(earlier: Mapping[str, str], present: Mapping[str, str]) -> list[str]:
    """Return a text for each difference between two fingerprints; beyond the first few, how many more there are."""
    names = [name for name in {**earlier, **present} if earlier.get(name) != present.get(name)]
    texts = [_describe_change(name, earlier.get(name), present.get(name)) for name in names[:N_NAMED_CHANGES]]
    return [*texts, f"and {len(names) - N_NAMED_CHANGES} more"] if len(names) > N_NAMED_CHANGES else texts


def _describe_change(name: str, earlier: str | None, present: str | None) -> str:
    if earlier is None or present is None:
        return f"{name} {'was not there' if earlier is None else 'is gone'}"
    if name.startswith(("module ", "data ")):
        return f"{name} has another content"
    return f"{name} was {earlier}, is {present}"


def _flat(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if not isinstance(node, Mapping):
        yield prefix, node
        return
    for key, value in node.items():
        yield from _flat(value, f"{prefix}.{key}" if prefix else str(key))


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _algorithms_package(algorithm: str) -> dict[str, str]:
    """Return the version of the package that an algorithm comes from; of one that has none, its loaded modules."""
    package = algorithm.partition(".")[0]
    name = package.replace("_", "-")
    try:
        return {f"version of {name}": version(name)}
    except PackageNotFoundError:
        return {f"module {module}": _sha256_of_module(module) for module in _loaded_modules(package)}


def _loaded_modules(package: str = PACKAGE) -> list[str]:
    """Return the loaded modules of a package that are made of a source file."""
    return sorted(
        name
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] == package
        and getattr(module, "__file__", None) is not None
        and name not in NOT_DECIDING_MODULES
    )


def _sha256_of_module(name: str) -> str:
    return hashlib.sha256(Path(str(sys.modules[name].__file__)).read_bytes()).hexdigest()
