"""α-entmax attention with all scores in memory, through the package `entmax`: before there were kernels."""

import torch

from splashgen.alpha import AlphaClass
from splashgen.bench.cells import Cell
from splashgen.bench.peers.peer import Attend, Peer
from splashgen.gpu import detect

__all__ = ["DENSE"]

_SHARE = 0.75
"""Of a device's memory, that its tensors may take."""
_MASKED = -1e4
"""Instead of -inf, from which the package's sums make NaN."""


def _attend(cell: Cell, device: torch.device) -> Attend:
    import entmax

    n = cell.seq_len
    hidden = torch.ones(n, n, dtype=torch.bool, device=device).triu(1) if cell.causal else None

    def one(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        scores = (q @ k.mT).float() * cell.head_dim**-0.5
        if hidden is not None:
            scores = scores.masked_fill(hidden, _MASKED)
        match cell.alpha:
            case AlphaClass.THREE_HALVES:
                probabilities = entmax.entmax15(scores, dim=-1)
            case AlphaClass.TWO:
                probabilities = entmax.sparsemax(scores, dim=-1)
            case _:
                probabilities = entmax.entmax_bisect(scores, alpha=cell.number, dim=-1)
        return probabilities.to(v.dtype) @ v

    def forward(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        # One item of the batch after the other: the package's sort needs ten times the memory of the scores.
        return torch.stack([one(*item) for item in zip(q, k, v, strict=True)])

    return forward


def _refusal(cell: Cell, device: torch.device) -> str | None:
    memory = detect(device).memory
    needed = _bytes(cell)
    if needed <= _SHARE * memory:
        return None
    return f"It would need about {needed / 1e9:.0f} GB, and the device has {memory / 1e9:.0f} GB."


def _bytes(cell: Cell) -> float:
    """The sort needs ten times one item's scores; backward keeps all items', in 32 and 16 bits."""
    scores = 4.0 * cell.heads * cell.seq_len**2
    return (10.0 + 1.5 * cell.batch) * scores


DENSE = Peer("dense_entmax", "entmax over all scores", _attend, package="entmax", refusal=_refusal)
