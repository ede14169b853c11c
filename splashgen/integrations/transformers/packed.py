"""Packed sequences where no kernel takes them: one after the other by SDPA, or as one call under a mask."""

from typing import Any

import torch
from torch import Tensor

from splashgen.integrations.transformers.softmax import softmax_attention
from splashgen.reference.layout import sequences
from splashgen.reference.visibility import Visibility

__all__ = ["packed_softmax", "under_a_mask"]

Offsets = tuple[Tensor, Tensor]
"""cu_seqlens of the queries and of the keys, int32 (sequences + 1,); they are read on the host."""


def packed_softmax(
    query: Tensor, key: Tensor, value: Tensor, offsets: Offsets, dropout: float, pattern: dict[str, Any]
) -> Tensor:
    """SDPA of each sequence by itself: PyTorch has a call for packed ones, but not everywhere.

    Parameters
    ----------
    query : Tensor (1, heads, total_q, head_dim)
    key, value : Tensor (1, kv_heads, total_k, head_dim)
    pattern : dict
        Scale, causality and window, as `splashgen.attention` takes them.

    Returns
    -------
    Tensor (1, heads, total_q, head_dim)
    """
    options = pattern | {"key_padding": None, "attn_mask": None, "dropout": dropout}
    parts = [
        softmax_attention(query[:, :, of_q], key[:, :, of_k], value[:, :, of_k], **options)
        for _, of_q, of_k in sequences(*offsets)
    ]
    return torch.cat(parts, 2)


def under_a_mask(query: Tensor, key: Tensor, offsets: Offsets, pattern: dict[str, Any]) -> dict[str, Any]:
    """The options of a single call in which no sequence sees another; quadratic memory, for inspection.

    Parameters
    ----------
    query : Tensor (1, heads, total_q, head_dim)
    key : Tensor (1, kv_heads, total_k, head_dim)

    Returns
    -------
    dict
        Scale and masks, as `splashgen.attention` takes them.
    """
    mask = torch.zeros(query.shape[2], key.shape[2], dtype=torch.bool, device=query.device)
    own = Visibility(pattern["is_causal"], pattern["window_size"])
    for _, of_q, of_k in sequences(*offsets):
        n_q, n_k = of_q.stop - of_q.start, of_k.stop - of_k.start
        mask[of_q, of_k] = own.block(0, n_q, n_q, n_k, query.device)[0, 0]
    options = {**pattern, "key_padding": None, "attn_mask": mask}
    # Where queries and keys lie alike, the pattern says nothing that the mask does not.
    return options if torch.equal(*offsets) else options | {"is_causal": False, "window_size": (-1, -1)}
