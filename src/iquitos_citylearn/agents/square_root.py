"""torch's square root with the same bytes on every processor.

The vector functions of MKL begin `torch.sqrt` with an approximation of the reciprocal root that each maker of processors
rounds in its own way, whatever branch MKL is told to take. The reciprocal root of torch itself divides by an exact root.
"""

import torch


def square_root(values: torch.Tensor) -> torch.Tensor:
    """Return the square roots, to within the last digit; gradients are recorded as for `torch.sqrt`."""
    return values.rsqrt().reciprocal()


def use_portable_square_root() -> None:
    """Let optimisers take the portable root: each of them calls the method of its tensors."""
    torch.Tensor.sqrt = square_root  # type: ignore[method-assign, assignment]
