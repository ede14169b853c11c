"""Attention as its definition reads, an n×n matrix a head, gradients by autograd: for short sequences."""

from typing import Any

import torch

from splashgen.reference.activation import entmax, tau
from splashgen.reference.layout import checked, default_scale, per_head, sequences, without_unread
from splashgen.reference.rows import Alpha
from splashgen.reference.visibility import Visibility

__all__ = ["attention", "attention_varlen"]


def attention(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    *,
    alpha: Alpha = 1.5,
    scale: float | None = None,
    return_tau: bool = False,
    **masks: Any,
) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
    """α-entmax attention in float64: entmax(scale·qkᵀ + bias)·v.

    Parameters
    ----------
    q, k, v : torch.Tensor
        (batch, heads, n_q, head_dim), (batch, kv_heads, n_k, head_dim), (batch, kv_heads, n_k, value_dim).
    alpha : float or torch.Tensor
        In (1, 2]; a tensor holds 1 value or one for each head and may require a gradient.
    scale : float, optional
        1/√head_dim if None.
    return_tau : bool
        Also return τ in units of z = (α-1)·score, (batch, heads, n_q); +inf where a query sees nothing.
    **masks
        The fields of `Visibility`: `is_causal`, `window_size`, `alibi_slopes`, `key_padding`, `attn_mask`.

    Returns
    -------
    torch.Tensor
        (batch, heads, n_q, value_dim), float64; zeros where a query sees nothing. Keys that nobody sees and
        queries that see nothing are never read.

    Raises
    ------
    ValueError
        If shapes cannot go together or α lies outside (1, 2].
    """
    visibility = Visibility(**masks)
    q, k, v = checked(q, k, v)
    n_q, n_k, group = q.shape[2], k.shape[2], q.shape[1] // k.shape[1]
    q, k, v, _ = without_unread(q, k, v, visibility, max(n_q, 1))
    scores = default_scale(scale, q) * (q @ k.repeat_interleave(group, 1).mT)
    bias = visibility.bias(0, n_q, n_q, n_k, q.device)
    if bias is not None:
        scores = scores + bias
    scores = torch.where(visibility.block(0, n_q, n_q, n_k, q.device), scores, -torch.inf)
    alpha = per_head(alpha, q.shape[1])
    out = entmax(scores, alpha) @ v.repeat_interleave(group, 1)
    return (out, tau(scores, alpha)) if return_tau else out


def attention_varlen(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    cu_seqlens_q: torch.Tensor,
    cu_seqlens_k: torch.Tensor,
    *,
    return_tau: bool = False,
    **options: Any,
) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
    """`attention` of packed sequences, one after another.

    Parameters
    ----------
    q, k, v : torch.Tensor
        (total, heads, head_dim), with the totals of queries and keys.
    cu_seqlens_q, cu_seqlens_k : torch.Tensor
        (batch + 1,) cumulative lengths.
    return_tau : bool
        Also return τ, (heads, total).
    **options
        As `attention` takes them; `key_padding` (batch, longest) and `attn_mask` (batch, heads, longest,
        longest) are read from their upper left corner.

    Returns
    -------
    torch.Tensor
        (total, heads, value_dim), float64.
    """
    names = ("alpha", "scale")
    plain = {name: options.pop(name) for name in names if name in options}
    visibility = Visibility(**options)
    outs, taus = [], []
    for index, of_q, of_k in sequences(cu_seqlens_q, cu_seqlens_k):
        masks = vars(visibility.of_sequence(index, of_q.stop - of_q.start, of_k.stop - of_k.start))
        one_q, one_k, one_v = (x.transpose(0, 1)[None] for x in (q[of_q], k[of_k], v[of_k]))
        out, threshold = attention(one_q, one_k, one_v, return_tau=True, **plain, **masks)
        outs.append(out[0].transpose(0, 1))
        taus.append(threshold[0])
    packed = torch.cat(outs)
    return (packed, torch.cat(taus, -1)) if return_tau else packed
