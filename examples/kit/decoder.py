"""`Decoder`: a small causal model without position embeddings, for tasks longer at test than in training."""

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from splashgen import attention

__all__ = ["Decoder"]


class _Block(nn.Module):
    def __init__(self, width: int, heads: int, alpha: float | None) -> None:
        super().__init__()
        self.heads = heads
        self.attend = scaled_dot_product_attention if alpha is None else partial(attention, alpha=alpha)
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.projection = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.projection(self.norms[0](x)).unflatten(-1, (3, self.heads, -1)).unbind(-3)
        out = self.attend(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), is_causal=True)
        x = x + self.output(out.transpose(1, 2).flatten(2))
        mixed: Tensor = x + self.mlp(self.norms[1](x))
        return mixed


class Decoder(nn.Module):
    """Token embeddings, a causal convolution over two tokens, attention blocks, tied output embeddings.

    The convolution tells a token what stands before it, so that no block needs positions: nothing in the
    model is tied to the length it was trained at.

    Parameters
    ----------
    vocabulary, width, heads, layers : int
    alpha : float, optional
        Of entmax; softmax if None.
    """

    def __init__(self, vocabulary: int, width: int, heads: int, layers: int, alpha: float | None) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        nn.init.normal_(self.embedding.weight, std=width**-0.5)
        self.before = nn.Parameter(torch.full((width,), 0.5))
        self.mix = nn.Linear(width, width, bias=False)
        self.blocks = nn.Sequential(*(_Block(width, heads, alpha) for _ in range(layers)))
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits (batch, length, vocabulary), float32, of int64 tokens (batch, length)."""
        x = self.embedding(tokens)
        previous = nn.functional.pad(x, (0, 0, 1, 0))[:, :-1]
        x = x + self.mix(self.before * previous)
        x = self.norm(self.blocks(x)).float()
        with torch.autocast(x.device.type, enabled=False):  # bfloat16 logits would tie
            logits: Tensor = x @ self.embedding.weight.T
        return logits
