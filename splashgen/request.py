"""The arguments of an attention call: as they come, and with names."""

from typing import Any, NamedTuple

from torch import Tensor

from splashgen.features import Packed

__all__ = ["Arguments", "Options", "Request"]


class Options(NamedTuple):
    """What a call says besides its tensors, as it says it."""

    is_causal: bool
    scale: float | None
    enable_gqa: bool
    window_size: tuple[int, int]
    dropout_p: float
    sparsity: str | None


Arguments = tuple[Any, Any, Any, Any, tuple[Any, ...], tuple[Any, Any, Any], Any]
"""The fields of a `Request` in their order, options as a plain tuple too: to name them takes a call that was
seen before a tenth of its time."""


class Request(NamedTuple):
    """The arguments of a call, as they were given."""

    query: Tensor
    key: Tensor
    value: Tensor
    alpha: float | Tensor
    options: Options
    masks: tuple[Tensor | None, Tensor | None, Tensor | None]
    """alibi_slopes, key_padding, attn_mask."""
    packed: Packed | None
    """The offsets and longest sequences of tensors of (total, heads, head_dim)."""

    @classmethod
    def of(cls, arguments: Arguments) -> "Request":
        query, key, value, alpha, options, masks, packed = arguments
        return cls(query, key, value, alpha, Options(*options), masks, packed)
