"""The network of two hidden layers that every actor, value and critic is made of, with a gradient written by hand.

An update is hundreds of products of some thousand rows with a small matrix. Of the libraries that torch brings, oneDNN
multiplies such matrices fastest when every processor must give the same bytes: a sum over a row's few entries has one
order there. Sums over the rows, for gradients of weights, stay with torch's own product.
"""

import math
from typing import Any

import torch
from torch import nn

OUTPUT_GAIN = 0.01
"""Gain of the orthogonal initialisation of an output."""
ROWS_AT_A_TIME = 128
"""Rows are padded to a multiple of this: oneDNN compiles a product for every number of rows that it meets."""


def _product(rows: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """Return rows x weight^T, plus bias and through ReLU where there is a bias."""
    if rows.dtype == torch.float32:
        name = "none" if bias is None else "relu"
        product: torch.Tensor = torch.ops.mkldnn._linear_pointwise(rows, weight, bias, name, [], "")
        return product
    return rows @ weight.t() if bias is None else nn.functional.linear(rows, weight, bias).relu_()


class _Forward(torch.autograd.Function):
    """The whole network as one node of the graph."""

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        changing: torch.Tensor | None,
        skip: torch.Tensor | None,
        gain: float,
        *weights: torch.Tensor,
    ) -> torch.Tensor:
        """Return the outputs, shape (n_rows,)."""
        first, first_bias, second, second_bias, output, output_bias = weights
        hidden = _product(x, first, first_bias)
        last_hidden = _product(hidden, second, second_bias)
        ctx.save_for_backward(x, hidden, last_hidden, skip, first, second, output)
        ctx.gain, ctx.n_changing = gain, 0 if changing is None else changing.shape[1]
        outputs = torch.addmv(output_bias, last_hidden, output[0])
        return outputs if skip is None else outputs.addmv_(x[:, -skip.shape[1] :], skip[0], alpha=gain)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Return the gradients of changing inputs and weights, None where nobody asks."""
        x, hidden, last_hidden, skip, first, second, output = ctx.saved_tensors
        of_last = torch.ops.aten.threshold_backward(gradient[:, None] * output, last_hidden, 0.0)
        of_hidden = torch.ops.aten.threshold_backward(_product(of_last, second.t().contiguous()), hidden, 0.0)
        of_changing = None
        if ctx.needs_input_grad[1]:
            of_changing = _product(of_hidden, first[:, -ctx.n_changing :].t().contiguous())
            if skip is not None:
                of_changing.addr_(gradient, skip[0, -ctx.n_changing :], alpha=ctx.gain)
        if not ctx.needs_input_grad[4]:
            return None, of_changing, *[None] * 8
        of_skip = None if skip is None else ctx.gain * (gradient @ x[:, -skip.shape[1] :])[None]
        of_first = of_hidden.t() @ x, of_hidden.sum(0)
        of_second = of_last.t() @ hidden, of_last.sum(0)
        of_output = (gradient @ last_hidden)[None], gradient.sum()[None]
        return None, of_changing, of_skip, None, *of_first, *of_second, *of_output


class SharedNet(nn.Module):
    """Network of two hidden layers with one output, and a linear skip, which starts near zero.

    Parameters
    ----------
    n_inputs, width : int
        Number of inputs and width of the hidden layers.
    n_skip : int
        Number of inputs, the last ones, that the skip takes, all that change among them; its weights start at 0.
        0: no skip.
    skip_gain : float
        Weight of the skip against the network.
    """

    def __init__(self, n_inputs: int, width: int, n_skip: int = 0, skip_gain: float = 1.0) -> None:
        super().__init__()
        self.first, self.second, self.output = nn.Linear(n_inputs, width), nn.Linear(width, width), nn.Linear(width, 1)
        for layer, gain in ((self.first, math.sqrt(2)), (self.second, math.sqrt(2)), (self.output, OUTPUT_GAIN)):
            nn.init.orthogonal_(layer.weight, gain)
            nn.init.zeros_(layer.bias)
        self.skip = nn.Linear(n_skip, 1, bias=False) if n_skip else None
        if self.skip is not None:
            nn.init.zeros_(self.skip.weight)
        self.skip_gain = skip_gain

    def forward(self, rows: torch.Tensor, changing: torch.Tensor | None = None) -> torch.Tensor:
        """Return the outputs of rows, shape (n_rows,).

        Parameters
        ----------
        rows : Tensor, shape (n_rows, n_inputs)
            Inputs; they get no gradient.
        changing : Tensor, shape (n_rows, n_changing)
            The last columns of `rows` once more, which get one.
        """
        if rows.device.type != "cpu":
            return self.by_torch(rows, changing)
        skip = None if self.skip is None else self.skip.weight
        first, second, output = self.first, self.second, self.output
        weights = first.weight, first.bias, second.weight, second.bias, output.weight, output.bias
        outputs: torch.Tensor = _Forward.apply(rows, changing, skip, self.skip_gain, *weights)  # type: ignore[no-untyped-call]
        return outputs

    def by_torch(self, rows: torch.Tensor, changing: torch.Tensor | None = None) -> torch.Tensor:
        """Return the same by torch's own operations, which know CUDA and its half precision."""
        if changing is not None:
            rows = torch.cat([rows[:, : -changing.shape[1]], changing], dim=1)
        outputs: torch.Tensor = self.output(self.second(self.first(rows).relu()).relu()).squeeze(1)
        if self.skip is not None:
            outputs = outputs + self.skip_gain * self.skip(rows[:, -self.skip.in_features :]).squeeze(1)
        return outputs
