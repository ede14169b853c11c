"""`Swap`: one Transformers model run with one implementation of attention after another."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, scaled_dot_product_attention

from splashgen.bench.peers import Attend

__all__ = ["Swap", "local_softmax"]


class _Instead(torch.autograd.Function):
    """Another tensor takes the place of one, and its gradient goes to the one that it stands for; no copy."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor, other: Tensor) -> Tensor:
        return other.view_as(other)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return grads[0], None


class Swap:
    """An attention implementation for Transformers whose kernel can be exchanged between two steps.

    Local layers, which all contenders compute alike, are softmax over their window.

    Attributes
    ----------
    attend : Attend
        What full layers call with q, k, v, (batch, heads, length, head_dim).
    scores : (Tensor, Tensor), optional
        Queries and keys that take the place of the model's own, so that attention is as sparse as they are.
    contiguous : bool
        Whether q, k, v are copied for a kernel that cannot read them where they are.
    """

    def __init__(self, name: str) -> None:
        from transformers import AttentionInterface, AttentionMaskInterface

        AttentionInterface.register(name, self)
        # There is no padding, and causal masks are the kernels' own: none is built.
        AttentionMaskInterface.register(name, lambda *args, **kwargs: None)
        self.attend: Attend
        self.scores: tuple[Tensor, Tensor] | None = None
        self.contiguous = False

    def __call__(
        self,
        module: nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attention_mask: Tensor | None,
        sliding_window: int | None = None,
        **options: Any,
    ) -> tuple[Tensor, None]:
        """What Transformers calls: (batch, length, heads, head_dim), and no weights."""
        if sliding_window is not None:  # Transformers counts the token itself
            return local_softmax(query, key, value, sliding_window - 1).transpose(1, 2), None
        if self.scores is not None:
            query, key = (_Instead.apply(*pair) for pair in zip((query, key), self.scores, strict=True))
        # Position embeddings are computed in float32, and a kernel takes one dtype.
        query, key = query.to(value.dtype), key.to(value.dtype)
        if self.contiguous:
            query, key, value = query.contiguous(), key.contiguous(), value.contiguous()
        return self.attend(query, key, value).transpose(1, 2), None


def local_softmax(query: Tensor, key: Tensor, value: Tensor, half: int) -> Tensor:
    """Softmax attention to the keys at most `half` away, in time and memory linear in the length.

    Blocks of `half` queries meet the three blocks of keys around them.

    Parameters
    ----------
    query, key, value : Tensor (batch, heads, length, head_dim)
    half : int
        Must divide the length.

    Returns
    -------
    Tensor (batch, heads, length, head_dim)
    """
    batch, heads, length = query.shape[:3]
    blocks = length // half

    def around(tensor: Tensor) -> Tensor:
        """(batch · blocks, heads, 3 · half, head_dim)"""
        windows = pad(tensor, (0, 0, half, half)).unfold(2, 3 * half, half)
        return windows.permute(0, 2, 1, 4, 3).flatten(0, 1)

    own = query.unflatten(2, (blocks, half)).transpose(1, 2).flatten(0, 1)
    place = torch.arange(half, device=query.device)[:, None]
    other = torch.arange(-half, 2 * half, device=query.device)[None, :]
    absolute = other + half * torch.arange(blocks, device=query.device)[:, None, None]
    seen = ((place - other).abs() <= half) & (absolute >= 0) & (absolute < length)
    mask = seen[None, :, None].expand(batch, -1, heads, -1, -1).flatten(0, 1)
    out = scaled_dot_product_attention(own, around(key).to(own.dtype), around(value).to(own.dtype), mask)
    return out.unflatten(0, (batch, blocks)).transpose(1, 2).flatten(2, 3).to(value.dtype)
