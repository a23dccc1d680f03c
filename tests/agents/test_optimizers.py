"""`src/iquitos_citylearn/agents/optimizers.py`."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from iquitos_citylearn.agents.optimizers import UNCOMPILED

KWARGS = {torch.optim.Adam: {"betas": (0.9, 0.99), "fused": True}, torch.optim.RMSprop: {"alpha": 0.99, "eps": 1e-5}}
STATE_IN_THE_MIDDLE = 3


def trained(optimizer_class, **kwargs):
    """Return the weights of a small network after a few steps; the optimiser is written and read between them."""
    torch.manual_seed(0)
    network = torch.nn.Linear(5, 3)
    optimizer = optimizer_class(network.parameters(), lr=0.01, **kwargs)
    for step in range(2 * STATE_IN_THE_MIDDLE):
        if step == STATE_IN_THE_MIDDLE:
            state = optimizer.state_dict()
            optimizer = optimizer_class(network.parameters(), lr=0.5, **kwargs)
            optimizer.load_state_dict(state)
        optimizer.zero_grad()
        network(torch.randn(7, 5)).square().sum().backward()
        optimizer.step()
    return torch.nn.utils.parameters_to_vector(network.parameters())


@pytest.mark.parametrize("original", UNCOMPILED)
def test_it_is_the_original_to_the_last_bit(original):
    kwargs = KWARGS[original]
    assert issubclass(UNCOMPILED[original], original)
    assert torch.equal(trained(UNCOMPILED[original], **kwargs), trained(original, **kwargs))


def test_a_step_leaves_gradients_to_be_recorded():
    weight = torch.nn.Parameter(torch.ones(2))
    weight.sum().backward()
    UNCOMPILED[torch.optim.Adam]([weight], lr=0.1).step()
    assert torch.is_grad_enabled()
    assert (weight * 2).requires_grad


LEARNS = """
import sys
from iquitos_citylearn.params import load_params
from tests.agents.small_agents import small_training
from tests.defaults import PARAMS
for agent in ("ppo", "a2c"):
    small_training(load_params(PARAMS), agent, "per_charger")
assert "torch.optim.adam" in sys.modules
assert "torch._dynamo" not in sys.modules
"""


def test_a_training_does_not_import_the_compiler():
    subprocess.run([sys.executable, "-c", LEARNS], check=True, cwd=Path(__file__).resolve().parents[2])
