"""`src/iquitos_citylearn/agents/shared_net.py`."""

import pytest
import torch

from iquitos_citylearn.agents.shared_net import SharedNet

N_INPUTS, N_SKIP, N_CHANGING, N_ROWS = 7, 4, 2, 50


def plain(net, rows):
    """Return the outputs of the same network as torch's own operations make them, and follow."""
    hidden = net.second(net.first(rows).relu()).relu()
    outputs = net.output(hidden).squeeze(1)
    return outputs if net.skip is None else outputs + net.skip_gain * net.skip(rows[:, -N_SKIP:]).squeeze(1)


def network(n_skip, dtype):
    torch.manual_seed(0)
    net = SharedNet(N_INPUTS, 5, n_skip, 3.0).to(dtype)
    with torch.no_grad():
        for weights in net.parameters():
            weights.add_(0.3 * torch.randn_like(weights))
    return net, torch.randn(N_ROWS, N_INPUTS, dtype=dtype)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
@pytest.mark.parametrize("n_skip", [0, N_SKIP])
def test_outputs_and_gradients_are_those_of_plain_torch(n_skip, dtype, tolerance):
    net, rows = network(n_skip, dtype)
    weighed = torch.randn(N_ROWS, dtype=dtype)
    followed = rows.clone().requires_grad_()
    expected = torch.autograd.grad(plain(net, followed) @ weighed, [followed, *net.parameters()])
    changing = rows[:, -N_CHANGING:].clone().requires_grad_()
    outputs = net(rows, changing)
    torch.testing.assert_close(outputs, plain(net, rows), rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(net.by_torch(rows, changing), outputs, rtol=tolerance, atol=tolerance)
    found = torch.autograd.grad(outputs @ weighed, [changing, *net.parameters()])
    torch.testing.assert_close(found[0], expected[0][:, -N_CHANGING:], rtol=tolerance, atol=10 * tolerance)
    for one, other in zip(found[1:], expected[1:], strict=True):
        torch.testing.assert_close(one, other, rtol=tolerance, atol=10 * tolerance)


def test_frozen_weights_let_the_gradient_through_and_get_none():
    net, rows = network(N_SKIP, torch.float32)
    net.requires_grad_(requires_grad=False)
    changing = rows[:, -N_CHANGING:].clone().requires_grad_()
    net(rows, changing).sum().backward()
    assert (changing.grad != 0.0).any()
    assert all(weights.grad is None for weights in net.parameters())


def test_it_starts_near_zero():
    torch.manual_seed(0)
    assert SharedNet(N_INPUTS, 32)(torch.rand(N_ROWS, N_INPUTS)).abs().max() < 0.1
