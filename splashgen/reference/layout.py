"""Shapes of attention problems: checks, packed sequences, and rows that nobody reads."""

import math
from collections.abc import Iterator

import torch

from splashgen.reference.rows import Alpha, checked_alpha
from splashgen.reference.visibility import Visibility

__all__ = ["checked", "default_scale", "per_head", "sequences", "without_unread"]


def checked(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """q, k, v in float64.

    Raises
    ------
    ValueError
        If their shapes cannot go together.
    """
    shapes = f"q is {tuple(q.shape)}, k is {tuple(k.shape)}, v is {tuple(v.shape)}"
    if not q.ndim == k.ndim == v.ndim == 4:
        raise ValueError(f"q, k and v must be (batch, heads, length, head_dim), but {shapes}.")
    if k.shape[:3] != v.shape[:3] or q.shape[0] != k.shape[0] or q.shape[3] != k.shape[3]:
        raise ValueError(f"Batch, kv heads, key length and head_dim must agree, but {shapes}.")
    if k.shape[1] == 0 or q.shape[1] % k.shape[1]:
        raise ValueError(f"The query heads must be a multiple of the key/value heads, but {shapes}.")
    return q.double(), k.double(), v.double()


def default_scale(scale: float | None, q: torch.Tensor) -> float:
    """`scale`, or 1/√head_dim."""
    return 1.0 / math.sqrt(q.shape[-1]) if scale is None else scale


def per_head(alpha: Alpha, heads: int) -> Alpha:
    """A number as it is, a tensor of 1 or `heads` values as float64 (1 or heads, 1, 1).

    Raises
    ------
    ValueError
        If it has another number of values, or one lies outside (1, 2].
    """
    alpha = checked_alpha(alpha)
    if not isinstance(alpha, torch.Tensor):
        return alpha
    if alpha.numel() not in (1, heads):
        raise ValueError(
            f"alpha has {alpha.numel()} values, but must have 1 or one for each of {heads} heads."
        )
    return alpha.reshape(-1, 1, 1)


def without_unread(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, visibility: Visibility, rows: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """q, k, v with zeros where a query sees nothing or nobody sees a key, and which queries see something.

    What lies there, a NaN perhaps, must not enter a product: 0·NaN is NaN.
    """
    n_q, n_k, kv_heads = q.shape[2], k.shape[2], k.shape[1]
    seeing, seen = [], torch.zeros(1, 1, n_k, dtype=torch.bool, device=q.device)
    for first in range(0, n_q, rows):
        visible = visibility.block(first, min(first + rows, n_q), n_q, n_k, q.device)
        seeing.append(visible.any(-1))
        seen = seen | visible.any(-2)
    reads = torch.cat(seeing, -1) if seeing else seen.new_zeros(1, 1, 0)
    if seen.shape[1] > 1:
        seen = seen.unflatten(1, (kv_heads, -1)).any(2)
    clean = (torch.where(mask[..., None], tensor, 0.0) for mask, tensor in ((reads, q), (seen, k), (seen, v)))
    return *clean, reads[..., None]  # type: ignore[return-value]


def sequences(cu_seqlens_q: torch.Tensor, cu_seqlens_k: torch.Tensor) -> Iterator[tuple[int, slice, slice]]:
    """Index, query rows and key rows of each packed sequence."""
    starts_q, starts_k = cu_seqlens_q.tolist(), cu_seqlens_k.tolist()
    if len(starts_q) != len(starts_k):
        raise ValueError(f"cu_seqlens_q has {len(starts_q)} entries, but cu_seqlens_k has {len(starts_k)}.")
    for index in range(len(starts_q) - 1):
        yield (
            index,
            slice(starts_q[index], starts_q[index + 1]),
            slice(starts_k[index], starts_k[index + 1]),
        )
