"""Softmax attention with the arguments of `splashgen.attention`, by PyTorch's SDPA."""

from typing import Any

from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from splashgen.reference.visibility import Visibility

__all__ = ["softmax_attention"]


def softmax_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    scale: float | None,
    is_causal: bool,
    window_size: tuple[int, int],
    key_padding: Tensor | None,
    attn_mask: Tensor | None,
    enable_gqa: bool,
    dropout: float = 0.0,
) -> Tensor:
    """SDPA under the same masks, causal ones aligned to the bottom right as everywhere in splashgen.

    Returns
    -------
    Tensor (batch, heads, n_q, value_dim)
        A query that sees no key gets zeros.
    """
    n_q, n_k = query.shape[2], key.shape[2]
    kept: dict[str, Any] = {"dropout_p": dropout, "scale": scale, "enable_gqa": enable_gqa}
    plain = window_size == (-1, -1) and key_padding is None and attn_mask is None
    if plain and (n_q == n_k or not is_causal):
        return scaled_dot_product_attention(query, key, value, is_causal=is_causal, **kept)
    masks = Visibility(is_causal, window_size, None, key_padding, attn_mask)
    visible = masks.block(0, n_q, n_q, n_k, query.device)
    return scaled_dot_product_attention(query, key, value, attn_mask=visible, **kept)
