"""No operation of a training gives other bytes on another processor."""

from collections import Counter

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from iquitos_citylearn.agents.square_root import square_root
from iquitos_citylearn.training.seed import make_deterministic
from tests.agents.small_agents import AGENTS, POLICIES, small_model
from tests.pipelines import ROOT

UNPORTABLE = {f"aten::{name}" for name in ("sqrt", "sqrt_", "_foreach_sqrt", "asin", "acos", "atan", "atan2", "log10")}
"""MKL's functions that differ between processors (docs/reproducibility.md)."""


class Operations(TorchDispatchMode):
    """Counts the operations of a block."""

    def __init__(self):
        super().__init__()
        self.names = Counter()

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        self.names[operation.name().partition(".")[0]] += 1
        if operation.name().startswith("aten::pow"):
            assert args[1] != 0.5, "torch takes a root for it"
        return operation(*args, **(kwargs or {}))


@pytest.mark.parametrize("agent", AGENTS)
@pytest.mark.parametrize("policy", POLICIES)
def test_a_training_uses_portable_operations_alone(params, agent, policy):
    make_deterministic(0)
    model, agent_params = small_model(
        params, agent, policy, class_kwargs={"ent_coef": "auto"} if agent == "sac" else {}
    )
    with Operations() as found:
        model.learn(agent_params.total_timesteps)
    assert found.names["mkldnn::_linear_pointwise" if policy == "per_charger" else "aten::addmm"]
    assert found.names.keys() & UNPORTABLE == set()


def test_the_root_is_within_the_last_digit():
    values = torch.tensor([0.0, 1e-45, 1e-12, 0.25, 2.0, 3.0, 1e30, torch.inf])
    exact = np.sqrt(values.numpy())
    np.testing.assert_array_max_ulp(square_root(values).numpy()[:-1], exact[:-1], maxulp=1)
    assert square_root(values)[-1] == torch.inf
    assert square_root(torch.tensor(-1.0)).isnan()


def test_tanh_of_numpy_is_used_nowhere():
    """It differs under emulation."""
    files = [path for path in (ROOT / "src").rglob("*.py") if "np.tanh" in path.read_text(encoding="utf-8")]
    assert files == []
