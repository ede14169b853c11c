"""Attention and its gradients by the explicit formulas, a block of query rows at a time: long sequences fit.

The same computation with one rounding to a kernel's element type, where a kernel has to round, defines the
error that no kernel can avoid: see `splashgen.budget`.
"""

from collections.abc import Callable
from typing import Any

import torch

from splashgen.reference.layout import checked, default_scale, per_head, sequences, without_unread
from splashgen.reference.rounding import biased_sums, known_sums, rounding
from splashgen.reference.rows import Alpha, solve
from splashgen.reference.visibility import Visibility

__all__ = ["attention_gradients", "attention_varlen_gradients"]

_OF_ALPHA: dict[str, Callable[[list[torch.Tensor]], torch.Tensor]] = {
    "dalpha": lambda values: torch.stack(values).sum(0),
    "dalpha_size": lambda values: torch.stack(values).square().sum(0).sqrt(),
}
"""Results without rows, and what they come to over several sequences."""

_SCORES = {"cpu": 1 << 21, "cuda": 1 << 24}
"""Scores of a block: a dozen float64 arrays of this size are alive at once."""


def attention_gradients(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    dout: torch.Tensor | None = None,
    *,
    alpha: Alpha = 1.5,
    scale: float | None = None,
    rounded_to: torch.dtype | None = None,
    rows: int | None = None,
    **masks: Any,
) -> dict[str, torch.Tensor]:
    """Output and gradients in float64.

    With P = y^p, U = y^(p-1), O₂ = UV/ΣU, δ = <dO, O₂> and dS = U∘(dO·Vᵀ - δ): dQ = scale·dS·K,
    dK = scale·dSᵀ·Q, dV = Pᵀ·dO (AdaSplash, arXiv 2502.12082, section 3.2).

    Parameters
    ----------
    q, k, v, alpha, scale, **masks
        As `splashgen.reference.attention` takes them.
    dout : torch.Tensor, optional
        (batch, heads, n_q, value_dim), the gradient of the output; without it only `out` is returned.
    rounded_to : torch.dtype, optional
        Round P, O₂, dS and the results once to this type, and scores and δ as sums in float32
        (float64 for float64) come out.
    rows : int, optional
        Query rows of a block; chosen to fit the device if None.

    Returns
    -------
    dict of str to torch.Tensor
        `out` and, given `dout`, `dq`, `dk`, `dv`, and `dalpha` of alpha's shape if alpha is a tensor, with
        `dalpha_size`, the root of the sum of its terms' squares, a term a query row: the measure of errors.
    """
    visibility = Visibility(**masks)
    q, k, v = checked(q, k, v)
    (batch, heads, n_q, _), (kv_heads, n_k) = q.shape, k.shape[1:3]
    if rows is None:
        rows = max(1, _SCORES.get(q.device.type, _SCORES["cpu"]) // max(batch * heads * n_k, 1))
    q, k, v, reads = without_unread(q, k, v, visibility, rows)
    scale = default_scale(scale, q)
    round_once, summed, biased = rounding(rounded_to), known_sums(rounded_to), biased_sums(rounded_to)
    values = per_head(alpha, heads)

    def fold(block: torch.Tensor) -> torch.Tensor:
        """(batch, heads, rows, …) → (batch, kv_heads, group·rows, …): grouped heads are more rows."""
        return block.reshape(batch, kv_heads, heads // kv_heads * block.shape[2], block.shape[-1])

    out = q.new_empty(batch, heads, n_q, v.shape[-1])
    if dout is not None:
        dout = torch.where(reads, dout.double(), 0.0)
    dq, dk, dv = torch.empty_like(q), torch.zeros_like(k), torch.zeros_like(v)
    dalpha, squares = q.new_zeros(heads), q.new_zeros(heads)
    for first in range(0, n_q, rows):
        last = min(first + rows, n_q)
        block = slice(first, last)
        visible = visibility.block(first, last, n_q, n_k, q.device)
        bias = visibility.bias(first, last, n_q, n_k, q.device)

        def unfold(block: torch.Tensor, height: int = last - first) -> torch.Tensor:
            return block.reshape(batch, heads, height, block.shape[-1])

        scores = summed(scale * unfold(fold(q[:, :, block]) @ k.mT))
        if bias is not None:
            scores = biased(scores + bias)
        solved = solve(torch.where(visible, scores, -torch.inf), values)
        # The masks keep a NaN row's NaN out of keys that it does not see.
        probabilities = round_once(torch.where(visible, solved.probabilities, 0.0))
        out[:, :, block] = unfold(fold(probabilities) @ v)
        if dout is None:
            continue
        slopes, gradient = solved.slopes, dout[:, :, block]
        total = slopes.sum(-1, keepdim=True)
        out2 = round_once(unfold(fold(slopes) @ v) / torch.where(total == 0.0, 1.0, total))
        centred = unfold(fold(gradient) @ v.mT) - summed((gradient * out2).sum(-1, keepdim=True))
        dscores = round_once(torch.where(visible, slopes * centred, 0.0))
        dq[:, :, block] = scale * unfold(fold(dscores) @ k)
        dk += scale * (fold(dscores).mT @ fold(q[:, :, block]))
        dv += fold(probabilities).mT @ fold(gradient)
        if isinstance(alpha, torch.Tensor):
            terms = solved.alpha_gradient(centred).sum(3)
            dalpha += terms.sum((0, 2))
            squares += terms.square().sum((0, 2))
    results = {"out": out}
    if dout is not None:
        results |= {"dq": dq, "dk": dk, "dv": dv}
    results = {name: round_once(tensor) for name, tensor in results.items()}
    if dout is not None and isinstance(alpha, torch.Tensor):
        if alpha.numel() == 1:
            dalpha, squares = dalpha.sum(), squares.sum()
        results |= {"dalpha": dalpha.reshape(alpha.shape), "dalpha_size": squares.sqrt().reshape(alpha.shape)}
    return results


def attention_varlen_gradients(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    dout: torch.Tensor | None,
    cu_seqlens_q: torch.Tensor,
    cu_seqlens_k: torch.Tensor,
    **options: Any,
) -> dict[str, torch.Tensor]:
    """`attention_gradients` of packed sequences (total, heads, head_dim), one after another."""
    names = ("alpha", "scale", "rounded_to", "rows")
    plain = {name: options.pop(name) for name in names if name in options}
    visibility = Visibility(**options)
    parts: dict[str, list[torch.Tensor]] = {}
    for index, of_q, of_k in sequences(cu_seqlens_q, cu_seqlens_k):
        masks = vars(visibility.of_sequence(index, of_q.stop - of_q.start, of_k.stop - of_k.start))
        gradient = None if dout is None else _one(dout[of_q])
        results = attention_gradients(_one(q[of_q]), _one(k[of_k]), _one(v[of_k]), gradient, **plain, **masks)
        for name, value in results.items():
            parts.setdefault(name, []).append(value if name in _OF_ALPHA else value[0].transpose(0, 1))
    return {name: _OF_ALPHA.get(name, torch.cat)(values) for name, values in parts.items()}


def _one(packed: torch.Tensor) -> torch.Tensor:
    """(length, heads, d) → (1, heads, length, d)."""
    return packed.transpose(0, 1)[None]
