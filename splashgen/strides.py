"""How a tensor must lie in memory for the kernels to read it, and a copy where it does not."""

import torch

__all__ = ["aligned", "realigned", "rows"]

_ELEMENTS = 16
"""Triton knows of a stride only whether 16 divides it; whole 16-byte loads need to know."""
_BYTES = 16


def rows(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor with stride 1 in its last dimension; every other stride is free."""
    return tensor if tensor.stride(-1) == 1 else tensor.contiguous()


def aligned(tensor: torch.Tensor) -> torch.Tensor:
    """A query, key, value or output gradient as the attention kernels read it.

    On a GPU its rows must begin at multiples of 16 elements: then tiles are copied in 16-byte pieces while
    the matrix units work. A tensor that lies otherwise (a head dim that 16 does not divide, an odd stride)
    is copied once.
    """
    strides = tensor.stride()
    if strides[-1] != 1:
        tensor = tensor.contiguous()
        strides = tensor.stride()
    # Every call comes through here. Of three or four dimensions these are all but the last.
    bits = tensor.data_ptr() % _BYTES | (strides[0] | strides[1] | strides[-2]) % _ELEMENTS
    return realigned(tensor) if bits and tensor.is_cuda else tensor


def realigned(tensor: torch.Tensor) -> torch.Tensor:
    """A copy whose every stride but the last is a multiple of 16: each row is followed by unused elements."""
    width = tensor.shape[-1]
    room = tensor.new_empty((*tensor.shape[:-1], -(-width // _ELEMENTS) * _ELEMENTS))
    room[..., :width] = tensor
    return room[..., :width]
