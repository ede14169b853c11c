"""What a kernel's forward pass returns, without computing it."""

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from splashgen.families import family_named
from splashgen.features import precise
from splashgen.kernel import Kernel
from splashgen.launches import with_launches

__all__ = ["outline"]


def outline(kernel: Kernel, q: Tensor, k: Tensor, v: Tensor, **features: Any) -> list[Tensor]:
    """Tensors like [out, τ, whatever else is kept] in shape, strides, dtype and device; values are unset.

    The sizes of fake tensors may be symbols: those of the result are then expressions of them. Where the host
    function asks for a symbol's value, the graph being traced is tied to the answer, as any guard ties it.

    Parameters
    ----------
    kernel : Kernel
        Of the operation `attention`.
    q, k, v : Tensor
        Fake, or else memory is allocated.
    features : dict
        The kernel's keyword arguments.
    """
    if family_named(kernel.config.family).keeps_tau_alone:
        shape = (q.shape[1], q.shape[0]) if kernel.problem.varlen else q.shape[:-1]
        return [q.new_empty((*q.shape[:-1], v.shape[-1])), q.new_empty(shape, dtype=precise(q))]
    # The scale's value does not matter.
    out, saved = _without_launches(kernel)(q, k, v, 1.0, **features)
    return [out, *saved]


@functools.cache
def _without_launches(kernel: Kernel) -> Callable[..., Any]:
    def nothing(*args: Any, **options: Any) -> None:
        return None

    # Python's own `min` and `max` would ask which is smaller, and tie the graph to the answer; and what
    # describes a tensor's tiles to a launch would ask where in memory it lies.
    instead = {"min": torch.sym_min, "max": torch.sym_max, "_tiles": nothing}
    return with_launches(kernel.module, "forward", nothing, instead)
