"""Gradients of attention as an operator returns them."""

from collections.abc import Sequence

import torch
from torch import Tensor

from splashgen.autocast import without_autocast
from splashgen.features import on_device_of, precise
from splashgen.kernel import Kernel
from splashgen.operators.arguments import Arguments
from splashgen.strides import aligned

__all__ = ["Gradients", "gradients", "unset_gradients"]

Gradients = tuple[Tensor, Tensor, Tensor, Tensor]
"""Of query, key, value and α: the first three lie as `torch.empty_like` of their inputs would; the last is
empty unless α is learned."""


def gradients(kernel: Kernel, dout: Tensor, given: Arguments, saved: Sequence[Tensor]) -> Gradients:
    """What the kernel's backward pass makes of `saved`, the outputs of its forward pass but the first."""
    assert kernel.backward is not None
    query, key, value = given.query, given.key, given.value
    with on_device_of(query), without_autocast(query):
        found = kernel.backward(
            aligned(dout),
            aligned(query),
            aligned(key),
            aligned(value),
            given.scale,
            tuple(saved),
            **given.features(),
        )
    dq, dk, dv = (_laid_like(*pair) for pair in zip(found, (query, key, value), strict=False))
    return dq, dk, dv, found[3] if len(found) > 3 else query.new_empty(0, dtype=precise(query))


def _laid_like(gradient: Tensor, tensor: Tensor) -> Tensor:
    """The gradient, copied where it lies otherwise than the operator has told the graph."""
    if gradient.stride() == torch.empty_like(tensor, device="meta").stride():
        return gradient
    return torch.empty_like(tensor).copy_(gradient)


def unset_gradients(given: Arguments, learned: bool) -> Gradients:
    """Tensors like `gradients`, whose values are unset."""
    query, alpha = given.query, given.alpha
    size = alpha.numel() if learned and alpha is not None else 0
    dq, dk, dv = (torch.empty_like(tensor) for tensor in (query, given.key, given.value))
    return dq, dk, dv, query.new_empty(size, dtype=precise(query))
