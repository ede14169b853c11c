"""What a kernel's element type leaves of exact numbers: the model behind the rounded-once variant."""

from collections.abc import Callable

import torch

__all__ = ["biased_sums", "known_sums", "rounding"]

_SUM_BITS, _SUM_BITS_OF_FLOAT64 = 19, 48
_BIASED_BITS, _BIASED_BITS_OF_FLOAT64 = 23, 52


def rounding(dtype: torch.dtype | None) -> Callable[[torch.Tensor], torch.Tensor]:
    """Round once to `dtype`, kept as float64; None rounds nothing."""
    if dtype is None or dtype == torch.float64:
        return lambda tensor: tensor
    return lambda tensor: tensor.to(dtype).double()


def known_sums(dtype: torch.dtype | None) -> Callable[[torch.Tensor], torch.Tensor]:
    """Keep the significant bits that a kernel for `dtype` knows of a score or of δ; None keeps all.

    Such a sum of head_dim products is accumulated in float32 (float64 for float64), scaled, and compared with
    a number of the same type. Plain float32 code keeps 19 to 21 of its 24 bits where |scores| reach 200; a
    product that is silently tf32 keeps 10. Bits are dropped by Veltkamp's splitting.
    """
    return _kept(dtype, _SUM_BITS, _SUM_BITS_OF_FLOAT64)


def biased_sums(dtype: torch.dtype | None) -> Callable[[torch.Tensor], torch.Tensor]:
    """Keep the significant bits of a score with its bias: both bias and sum are rounded, which costs one.

    It matters for far keys: an ALiBi bias of -171 is known to 2e-5, and α near 2 makes much of the distance
    between a score and the edge of the support.
    """
    return _kept(dtype, _BIASED_BITS, _BIASED_BITS_OF_FLOAT64)


def _kept(dtype: torch.dtype | None, bits: int, of_float64: int) -> Callable[[torch.Tensor], torch.Tensor]:
    if dtype is None:
        return lambda total: total
    spread = 2.0 ** (53 - (of_float64 if dtype == torch.float64 else bits)) + 1.0
    return lambda total: total * spread - (total * spread - total)
