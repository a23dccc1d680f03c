"""torch's optimisers without torch's compiler, which they import only to mark their methods as not to be compiled.

The import takes nearly as long as that of torch itself, and 70 MiB, in every process that makes or reads a model.
"""

import inspect
from collections.abc import Mapping

import torch
from torch import optim


class _Uncompiled:
    """Methods of every optimiser, without the mark; `step` carries another one, and its classes take it off."""

    add_param_group = inspect.unwrap(optim.Optimizer.add_param_group)
    zero_grad = inspect.unwrap(optim.Optimizer.zero_grad)
    state_dict = inspect.unwrap(optim.Optimizer.state_dict)
    load_state_dict = inspect.unwrap(optim.Optimizer.load_state_dict)


class Adam(_Uncompiled, optim.Adam):
    """`torch.optim.Adam`, to the last bit."""

    step = torch.no_grad()(inspect.unwrap(optim.Adam.step))


class RMSprop(_Uncompiled, optim.RMSprop):
    """`torch.optim.RMSprop`, to the last bit."""

    step = torch.no_grad()(inspect.unwrap(optim.RMSprop.step))


UNCOMPILED: Mapping[type[optim.Optimizer], type[optim.Optimizer]] = {optim.Adam: Adam, optim.RMSprop: RMSprop}
"""What stands in for the optimisers that Stable-Baselines3 takes by default."""
