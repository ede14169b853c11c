"""Batches by the hundred thousand, as attention within windows of an image has: more than a launch takes."""

from collections.abc import Iterator

from torch import Tensor

from splashgen.request import Request

__all__ = ["crowded", "launchable", "parts"]

_MOST = {"cuda": 65535}
"""Programs on the second and third axis of a grid, on which heads and sequences lie, by the device's type."""
_BATCHED = 2, 1, 4
"""Dimensions from which on alibi_slopes, key_padding and attn_mask have the batch as their first."""


def launchable(query: Tensor, count: int) -> bool:
    """Whether one launch on the device of `query` takes so many heads or sequences."""
    return count <= _MOST.get(query.device.type, count)


def crowded(request: Request) -> bool:
    """Whether a call has to be made for parts of its batch.

    Raises
    ------
    ValueError
        If there are too many heads or packed sequences, which have no parts.
    """
    query, packed = request.query, request.packed
    counts = {"heads": query.shape[1]}
    if packed is not None:
        counts["packed sequences"] = packed[0].shape[0] - 1
    for what, count in counts.items():
        if not launchable(query, count):
            most = _MOST[query.device.type]
            raise ValueError(f"query has {count} {what}, but a launch takes {most}; call for parts of them.")
    return packed is None and not launchable(query, query.shape[0])


def parts(request: Request) -> Iterator[Request]:
    """The same request for one part of the batch after the other, each as large as a launch takes."""
    query, key, value = request[:3]
    most = _MOST[query.device.type]
    for first in range(0, query.shape[0], most):
        here = slice(first, first + most)
        alibi_slopes, key_padding, attn_mask = (
            mask[here] if mask is not None and mask.dim() >= own and mask.shape[0] > 1 else mask
            for mask, own in zip(request.masks, _BATCHED, strict=True)
        )
        masks = alibi_slopes, key_padding, attn_mask
        yield request._replace(query=query[here], key=key[here], value=value[here], masks=masks)
