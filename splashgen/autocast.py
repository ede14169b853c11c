"""`torch.autocast` says which dtype inputs are cast to; what is computed from them keeps its own dtypes."""

import contextlib
from typing import Any

import torch
from torch import Tensor

__all__ = ["autocast_of", "cast", "without_autocast"]

_AS_IT_IS = contextlib.nullcontext()


def autocast_of(tensor: object) -> str | None:
    """The type of the tensor's device if autocast is on there; None if not, or if this is no tensor."""
    kind = tensor.device.type if isinstance(tensor, Tensor) else "meta"
    return kind if kind in ("cpu", "cuda") and torch.is_autocast_enabled(kind) else None


def cast(*tensors: Any) -> tuple[Any, ...]:
    """The tensors in the dtype of autocast, if it is on; what cannot be cast stays, and so does float64."""
    kind = autocast_of(tensors[0])
    if kind is None:
        return tensors
    dtype = torch.get_autocast_dtype(kind)
    return tuple(
        one.to(dtype)
        if isinstance(one, Tensor) and one.is_floating_point() and one.dtype != torch.float64
        else one
        for one in tensors
    )


def without_autocast(tensor: Tensor) -> contextlib.AbstractContextManager[Any]:
    """A context without autocast on the tensor's device, which would round τ's scores to bfloat16.

    Where autocast is off anyway, which every call has to ask, it costs a fraction of a microsecond.
    """
    # torch has no public name that asks for all devices at once.
    if not torch._C._is_any_autocast_enabled():
        return _AS_IT_IS
    return torch.autocast(tensor.device.type, enabled=False)
