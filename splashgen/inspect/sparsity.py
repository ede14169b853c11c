"""`sparsity`: how many keys each head attends to, and the share of its tiles that must be computed."""

from dataclasses import dataclass, replace
from typing import Any

import torch

import splashgen
from splashgen.autocast import cast, without_autocast
from splashgen.density import tiled
from splashgen.inspect.observe import Call, observe
from splashgen.reference.visibility import Visibility

__all__ = ["BLOCK", "HeadSparsity", "sparsity", "sparsity_of"]

BLOCK = 64
"""Rows and columns of a tile."""

_SCORES = 1 << 25


@dataclass(frozen=True, slots=True)
class HeadSparsity:
    """One head of one layer, over all sequences of a batch."""

    name: str
    layer: int
    head: int
    length: int
    """Keys."""
    head_dim: int
    causal: bool
    alpha: float
    support: float
    """Keys with a probability above 0, the mean over queries that are not padding."""
    visible: float
    """Keys that the masks leave, the mean over the same queries."""
    tile_density: float
    """The share of visible 64×64 tiles with any probability above 0."""


def sparsity(model: Any, inputs: Any, alpha: float | None = None) -> list[HeadSparsity]:
    """Measure every head of a model on given inputs.

    Parameters
    ----------
    model : PreTrainedModel
        With entmax or softmax attention; of a softmax model the scores are its own, and entmax of them is
        what is measured.
    inputs : mapping or Tensor
        The arguments of the model, such as a tokenizer returns them.
    alpha : float, optional
        In place of the model's own; 1.5 where it has none.

    Returns
    -------
    list of HeadSparsity
        In the order of the calls, then of the heads.

    Examples
    --------
    >>> for head in sparsity(model, tokenizer(text, return_tensors="pt")):  # doctest: +SKIP
    ...     print(head.layer, head.head, head.support, head.tile_density)
    """
    found: list[HeadSparsity] = []
    observe(model, inputs, lambda call: found.extend(sparsity_of(call)), alpha)
    return found


def sparsity_of(call: Call) -> list[HeadSparsity]:
    """The heads of one call; costs one more product of all queries and keys."""
    # As the model's own call casts them, so that τ and the scores belong together.
    query, key, value = cast(call.query, call.key, call.value)
    with torch.no_grad(), without_autocast(query):
        return _heads(replace(call, query=query, key=key, value=value))


def _heads(call: Call) -> list[HeadSparsity]:
    query, key, options = call.query, call.key, call.options
    (batch, heads, n_q, head_dim), n_k = query.shape, key.shape[2]
    _, tau = splashgen.attention(query, key, call.value, alpha=call.alpha, return_tau=True, **options)
    alpha = torch.as_tensor(call.alpha, dtype=tau.dtype, device=tau.device).reshape(-1).expand(heads)
    scale = head_dim**-0.5 if options["scale"] is None else options["scale"]
    causal, padding = options["is_causal"], options["key_padding"]
    masks = Visibility(causal, options["window_size"], None, padding, options["attn_mask"])
    real = torch.ones(batch, n_q, dtype=torch.bool, device=query.device)
    if padding is not None and n_q == n_k:
        real = padding
    keys = key.to(tau.dtype).repeat_interleave(heads // key.shape[1], 1).mT
    totals = torch.zeros(4, heads, dtype=torch.float64, device=query.device)
    rows = max(1, _SCORES // max(batch * heads * n_k * BLOCK, 1)) * BLOCK
    for first in range(0, n_q, rows):
        last = min(first + rows, n_q)
        seen = masks.block(first, last, n_q, n_k, query.device).expand(batch, heads, -1, -1)
        z = (alpha - 1.0).view(-1, 1, 1) * scale * (query[:, :, first:last].to(tau.dtype) @ keys)
        alive = seen & (z > tau[:, :, first:last, None])
        counted = real[:, None, first:last, None]
        sums = (alive & counted, seen & counted, tiled(alive, BLOCK), tiled(seen, BLOCK))
        totals += torch.stack([flags.sum((0, 2, 3)) for flags in sums])
    queries = max(int(real.sum()), 1)
    return [
        HeadSparsity(
            name=call.name,
            layer=call.layer,
            head=head,
            length=n_k,
            head_dim=head_dim,
            causal=causal,
            alpha=round(float(alpha[head]), 6),
            support=alive_keys / queries,
            visible=seen_keys / queries,
            tile_density=alive_tiles / max(seen_tiles, 1.0),
        )
        for head, (alive_keys, seen_keys, alive_tiles, seen_tiles) in enumerate(totals.T.tolist())
    ]
