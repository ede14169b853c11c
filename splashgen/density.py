"""Tile density: the share of score tiles that a sparse kernel cannot skip."""

import math

import torch
from torch.nn import functional

from splashgen.reference.rows import Alpha, checked_alpha, solve
from splashgen.reference.visibility import Visibility

__all__ = ["tile_density", "tiled"]

_SCORES = 1 << 23


def tile_density(
    q: torch.Tensor,
    k: torch.Tensor,
    alpha: Alpha = 1.5,
    causal: bool = False,
    *,
    block: int = 64,
    scale: float | None = None,
) -> float:
    """The share of visible block×block score tiles in which some probability is not zero, in float64.

    Parameters
    ----------
    q, k : torch.Tensor
        (batch, heads, n_q, head_dim) and (batch, kv_heads, n_k, head_dim); pass a few heads of large ones.
    alpha : float or torch.Tensor
        In (1, 2].
    causal : bool
        Count, and attend to, only the tiles at or below the diagonal (aligned to the bottom right).
    """
    (batch, heads, n_q, head_dim), n_k = q.shape, k.shape[2]
    scale = 1.0 / math.sqrt(head_dim) if scale is None else scale
    keys = k.double().repeat_interleave(heads // k.shape[1], 1).mT
    visibility = Visibility(is_causal=causal)
    alpha = checked_alpha(alpha)
    rows = max(1, _SCORES // max(batch * heads * n_k * block, 1)) * block
    alive = visible_tiles = 0
    for first in range(0, n_q, rows):
        last = min(first + rows, n_q)
        visible = visibility.block(first, last, n_q, n_k, q.device)
        scores = scale * (q[:, :, first:last].double() @ keys)
        y = solve(torch.where(visible, scores, -math.inf), alpha).y
        alive += int(tiled(y > 0.0, block).sum())
        visible_tiles += batch * heads * int(tiled(visible, block).sum())
    return alive / max(visible_tiles, 1)


def tiled(flags: torch.Tensor, block: int) -> torch.Tensor:
    """Whether any flag of each tile is set: (..., rows, n) → (..., rows/block, n/block), rounded up."""
    height, width = flags.shape[-2:]
    padded = functional.pad(flags, (0, -width % block, 0, -height % block))
    return padded.unflatten(-1, (-1, block)).any(-1).unflatten(-2, (-1, block)).any(-2)
