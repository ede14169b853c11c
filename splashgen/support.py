"""How many keys each query attends to: counted from τ in plain torch, for inspection."""

import torch
from torch import Tensor

from splashgen.features import Packed, padding_mask, precise
from splashgen.reference.layout import sequences
from splashgen.reference.visibility import Visibility

__all__ = ["support_size"]

_ROWS = 256
_SCORES = 1 << 25
"""Scores of a block of query rows, where a row is not longer: memory stays linear in the length."""


@torch.no_grad()
def support_size(
    query: Tensor,
    key: Tensor,
    tau: Tensor,
    alpha: float | Tensor,
    scale: float,
    is_causal: bool,
    window_size: tuple[int, int],
    alibi_slopes: Tensor | None = None,
    key_padding: Tensor | None = None,
    attn_mask: Tensor | None = None,
    packed: Packed | None = None,
) -> Tensor:
    """The number of keys whose probability is not zero: those with z > τ (Peters et al. 2019, eq. 8).

    Costs the product of all queries and keys once more, whatever the sparsity, a block of query rows at a
    time. Kernels sum the product in another order, so a key within rounding of τ may count either way. Of
    packed sequences the offsets are read on the host.

    Parameters
    ----------
    query : Tensor (batch, heads, n_q, head_dim), or (total_q, heads, head_dim) where packed
    key : Tensor (batch, kv_heads, n_k, head_dim), or (total_k, kv_heads, head_dim) where packed
    tau : Tensor (batch, heads, n_q), or (heads, total_q) where packed
        In units of z = (α-1)·score, as `splashgen.attention` returns it.
    alpha : float or Tensor
        One value or one a head.
    packed : tuple, optional
        cu_seqlens_q, cu_seqlens_k, max_seqlen_q, max_seqlen_k.

    The others are those of `splashgen.attention`.

    Returns
    -------
    Tensor
        int32, in the shape of tau; 0 for a query that sees no key or is NaN.
    """
    factor = alpha.to(precise(query)).reshape(-1, 1, 1) - 1.0 if isinstance(alpha, Tensor) else alpha - 1.0
    if packed is None and key_padding is not None:
        key_padding = padding_mask(key_padding, key.shape[2])
    masks = Visibility(is_causal, window_size, alibi_slopes, key_padding, attn_mask)
    if packed is None:
        return _counted(query, key, tau, factor, scale, masks)
    counts = torch.zeros_like(tau, dtype=torch.int32)
    for index, of_q, of_k in sequences(packed[0], packed[1]):
        q, k = query[of_q].transpose(0, 1)[None], key[of_k].transpose(0, 1)[None]
        own = masks.of_sequence(index, q.shape[2], k.shape[2])
        counts[:, of_q] = _counted(q, k, tau[None, :, of_q], factor, scale, own)[0]
    return counts


def _counted(
    query: Tensor, key: Tensor, tau: Tensor, factor: float | Tensor, scale: float, masks: Visibility
) -> Tensor:
    (batch, heads, n_q, head_dim), (kv_heads, n_k) = query.shape, key.shape[1:3]
    counts = torch.zeros_like(tau, dtype=torch.int32)
    rows = max(1, min(_ROWS, _SCORES // max(batch * heads * n_k, 1)))
    keys = key.to(precise(key)).mT
    for first in range(0, n_q, rows):
        last = min(first + rows, n_q)
        block = query[:, :, first:last].to(keys.dtype)
        # Grouped heads are more rows of their key head, which is not repeated.
        folded = block.reshape(batch, kv_heads, heads // kv_heads * (last - first), head_dim)
        scores = scale * (folded @ keys).reshape(batch, heads, last - first, n_k)
        bias = masks.bias(first, last, n_q, n_k, query.device)
        if bias is not None:
            scores = scores + bias.to(scores.dtype)
        visible = masks.block(first, last, n_q, n_k, query.device)
        inside = visible & (factor * scores > tau[:, :, first:last, None])
        counts[:, :, first:last] = inside.sum(-1, dtype=torch.int32)
    return counts
