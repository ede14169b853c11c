"""Transformers' mask → what the attention function gets: padding alone where that says all, as flash-attn's.

The model knows whether it is causal and how wide its window is, so a plain mask comes down to which keys
exist. Anything else becomes a boolean matrix, as for SDPA.
"""

from typing import Any

import torch
from torch import Tensor
from transformers import masking_utils

__all__ = ["attention_mask"]

_FULL = tuple(
    getattr(masking_utils, name)
    for name in ("causal_mask_function", "bidirectional_mask_function")
    if hasattr(masking_utils, name)
)


def attention_mask(
    batch_size: int,
    kv_length: int,
    kv_offset: int = 0,
    q_length: int | None = None,
    q_offset: int | Tensor | None = None,
    cache_position: Tensor | None = None,
    mask_function: Any = masking_utils.causal_mask_function,
    attention_mask: Tensor | None = None,
    **kwargs: Any,
) -> Tensor | None:
    """The mask function of `AttentionMaskInterface`; the arguments are those of Transformers' `sdpa_mask`.

    Transformers 5 gives the queries' place as `q_length` and `q_offset`, older ones as `cache_position`.

    Returns
    -------
    None
        Every key exists, and the pattern is the one that the attention module names itself.
    Tensor (batch, n)
        Bool, True where a key exists, likewise. n < kv_length says that the keys from n on are not there yet.
    Tensor (batch, 1, q_length, kv_length)
        Bool, True where a score exists: the whole mask, for all other patterns.
    """
    if q_length is None:
        assert cache_position is not None, "Transformers gives one of them"
        q_length, q_offset = cache_position.shape[0], None
    pattern = mask_function, kwargs.get("local_size"), kwargs
    if _is_plain(*pattern):
        causal = bool(kwargs.get("allow_is_causal_skip", True))
        end = _end_of_keys(q_length, q_offset, kv_length, kv_offset, causal or pattern[1] is not None)
        if end is not None:
            mask = attention_mask
            if mask is None and end < kv_length:
                mask = torch.ones(batch_size, kv_offset + end, dtype=torch.bool, device=kwargs.get("device"))
            return None if mask is None else _padding(mask, kv_length, kv_offset, end)
    place: dict[str, Any] = {"q_length": q_length, "q_offset": q_offset}
    if cache_position is not None:
        place = {"cache_position": cache_position}
    kwargs |= {"allow_is_causal_skip": False, "allow_is_bidirectional_skip": False}
    whole: Tensor | None = masking_utils.sdpa_mask(
        batch_size=batch_size,
        kv_length=kv_length,
        kv_offset=kv_offset,
        mask_function=mask_function,
        attention_mask=attention_mask,
        **place,
        **kwargs,
    )
    return whole


def _is_plain(mask_function: Any, local_size: int | None, kwargs: dict[str, Any]) -> bool:
    """Whether the pattern is causal or full, with or without the window that the module knows.

    Transformers forbids the skip for packed sequences, overlays of the caller's, and where somebody needs
    the matrix.
    """
    allowed = kwargs.get("allow_is_causal_skip", True) or kwargs.get("allow_is_bidirectional_skip", False)
    if not allowed or kwargs.get("use_vmap", False):
        return False
    if local_size is None:
        return any(mask_function is full for full in _FULL)
    config = kwargs.get("config")
    # The size of a chunk comes under the same name as that of a window.
    chunked = getattr(config, "attention_chunk_size", None) is not None
    return not chunked and local_size == getattr(config, "sliding_window", None)


def _end_of_keys(
    q_length: int, q_offset: int | Tensor | None, kv_length: int, kv_offset: int, positional: bool
) -> int | None:
    """How many keys there are if the last query is to stand at the last one; None if that cannot be said."""
    if not positional:
        return kv_length
    if isinstance(q_offset, int):
        end = q_offset + q_length - kv_offset
        return end if end <= kv_length else None
    # A static cache keeps its offset on the device, and reading it would wait for the device.
    return kv_length if q_length in (1, kv_length) else None


def _padding(mask: Tensor, kv_length: int, kv_offset: int, end: int) -> Tensor | None:
    """Bool (batch, end) of the keys from `kv_offset` on, or None if all of `kv_length` exist."""
    missing = kv_offset + end - mask.shape[-1]
    if missing > 0:
        mask = torch.nn.functional.pad(mask, (0, missing))
    mask = mask[:, kv_offset : kv_offset + end].to(torch.bool)
    # All there is the usual case, and has kernels that are tuned; a traced mask has no values to look at.
    tracing = torch.compiler.is_compiling() or torch.jit.is_tracing()
    return None if end == kv_length and not tracing and bool(mask.all()) else mask
