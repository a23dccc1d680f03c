from pathlib import Path

import numba
import pytest

from iquitos_citylearn.env import (
    action,
    batch,
    battery,
    grid,
    hour,
    kernels,
    observation,
    physics,
    reward,
    settlement,
    tables,
)
from iquitos_citylearn.env.kernels import sources_digest


def dispatchers():
    for module in (action, batch, battery, grid, hour, observation, physics, reward, settlement, tables):
        for function in vars(module).values():
            if hasattr(function, "py_func") and function.py_func.__module__ == module.__name__:
                yield pytest.param(function, id=f"{module.__name__}.{function.py_func.__name__}")


@pytest.mark.parametrize("function", list(dispatchers()))
def test_each_kernel_is_cached_for_this_state_of_the_sources(function):
    folder = Path(function.stats.cache_path)
    assert folder.parent.name == f"kernels_{sources_digest(Path(kernels.__file__).parent)}"


def test_no_kernel_is_compiled_past_this():
    package = Path(kernels.__file__).parents[1]
    users = [path.name for path in package.rglob("*.py") if "njit" in path.read_text(encoding="utf-8")]
    assert users == ["kernels.py"]


def test_any_change_of_a_source_gives_another_cache(tmp_path):
    (tmp_path / "a.py").write_text("x = 1\n")
    (tmp_path / "b.py").write_text("y = 2\n")
    seen = {sources_digest(tmp_path)}
    assert sources_digest(tmp_path) in seen
    for name, text in (("a.py", "x = 3\n"), ("b.py", "x = 1\n"), ("c.py", ""), ("a.py", "x = 1\n")):
        (tmp_path / name).write_text(text)
        seen.add(sources_digest(tmp_path))
    (tmp_path / "c.py").rename(tmp_path / "d.py")
    seen.add(sources_digest(tmp_path))
    assert len(seen) == 6
    assert str(kernels.cache_folder) == numba.config.CACHE_DIR
