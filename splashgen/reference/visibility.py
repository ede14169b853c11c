"""Which keys a query sees, and what is added to its scores: all masks of attention in one place."""

from dataclasses import dataclass

import torch

__all__ = ["Visibility"]


@dataclass(frozen=True)
class Visibility:
    """The masks and the bias of one attention problem; they compose by "and".

    Positions are aligned to the bottom right: query i stands at key position i + n_k - n_q.

    Attributes
    ----------
    is_causal : bool
        Query i sees keys up to its own position.
    window_size : tuple of int
        Keys this far to the left and right of its position; -1 is unlimited.
    alibi_slopes : torch.Tensor or None
        (heads,) or (batch, heads): -slope·|position - j| is added to the scaled scores.
    key_padding : torch.Tensor or None
        Bool (batch, n_k), True where a key exists.
    attn_mask : torch.Tensor or None
        Bool, broadcastable to (batch, heads, n_q, n_k), True where a score exists.
    """

    is_causal: bool = False
    window_size: tuple[int, int] = (-1, -1)
    alibi_slopes: torch.Tensor | None = None
    key_padding: torch.Tensor | None = None
    attn_mask: torch.Tensor | None = None

    def block(self, first: int, last: int, n_q: int, n_k: int, device: torch.device) -> torch.Tensor:
        """Visible scores of query rows first ≤ i < last: bool (batch or 1, heads or 1, last - first, n_k)."""
        offset = _offsets(first, last, n_q, n_k, device)
        visible = torch.ones_like(offset, dtype=torch.bool)
        left, right = self.window_size
        if self.is_causal:
            visible &= offset <= 0
        if left >= 0:
            visible &= offset >= -left
        if right >= 0:
            visible &= offset <= right
        visible = visible[None, None]
        if self.key_padding is not None:
            visible = visible & self.key_padding[:, None, None, :]
        if self.attn_mask is not None:
            mask = self.attn_mask[(None,) * (4 - self.attn_mask.ndim)]
            visible = visible & (mask if mask.shape[-2] == 1 else mask[..., first:last, :])
        return visible

    def bias(self, first: int, last: int, n_q: int, n_k: int, device: torch.device) -> torch.Tensor | None:
        """What ALiBi adds to the scores of a row block: float64 (batch or 1, heads, last - first, n_k)."""
        if self.alibi_slopes is None:
            return None
        slopes = torch.atleast_2d(self.alibi_slopes).double()
        return -slopes[:, :, None, None] * _offsets(first, last, n_q, n_k, device).abs()

    def of_sequence(self, index: int, n_q: int, n_k: int) -> "Visibility":
        """The masks of one packed sequence; batched tensors are indexed by it and cut to its lengths."""
        slopes, padding, mask = self.alibi_slopes, self.key_padding, self.attn_mask
        if slopes is not None and slopes.ndim == 2:
            slopes = slopes[index : index + 1]
        if padding is not None:
            padding = padding[index : index + 1, :n_k]
        if mask is not None:
            mask = mask[index : index + 1, :, :n_q, :n_k]
        return Visibility(self.is_causal, self.window_size, slopes, padding, mask)


def _offsets(first: int, last: int, n_q: int, n_k: int, device: torch.device) -> torch.Tensor:
    """j minus the position of query i, int64 (last - first, n_k)."""
    positions = torch.arange(first, last, device=device) + (n_k - n_q)
    return torch.arange(n_k, device=device) - positions[:, None]
