"""What a cell's results are compared with: float64 at sampled query rows, cheap for long sequences too."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from splashgen.bench.cells import Cell
from splashgen.budget import error, judge
from splashgen.density import tile_density
from splashgen.reference import attention_gradients

__all__ = ["Sample", "density_of"]

_BLOCK = 64
_BLOCKS = 16
_DENSITY_BLOCKS = 128

Errors = dict[str, tuple[float, float | None]]
"""For each result its Frobenius relative error and its budget; softmax has no budget."""


class Sample:
    """Sixteen blocks of 64 query rows of the last head, with the truth for them.

    The gradient of the output is zero at all other rows. So `out` and `dq` are compared at the sampled rows,
    and `dk` and `dv` at every key, with nothing left out of their sums.
    """

    def __init__(self, cell: Cell, tensors: Mapping[str, torch.Tensor]) -> None:
        self._cell, self._tensors = cell, tensors
        device = tensors["q"].device
        self._rows = torch.cat([_rows(block, device) for block in _spread(cell.seq_len, _BLOCKS)])
        self._rows = self._rows[self._rows < cell.seq_len]
        self._entmax: tuple[_Results, _Results] | None = None
        self._softmax: _Results | None = None

    @property
    def dout(self) -> torch.Tensor:
        """The gradient of the output, (batch, heads, length, head_dim), to call a peer's backward with."""
        dout = torch.zeros_like(self._tensors["dout"])
        dout[:, :, self._rows] = self._tensors["dout"][:, :, self._rows]
        return dout

    def errors(self, results: Mapping[str, torch.Tensor], softmax: bool) -> Errors:
        """How far a peer's `out`, `dq`, `dk`, `dv`, for `dout`, are from the truth."""
        sampled = {name: _last_head(tensor) for name, tensor in results.items()}
        sampled |= {name: sampled[name][:, :, self._rows] for name in ("out", "dq")}
        if softmax:
            self._softmax = self._softmax or self._softmax_truth()
            return {name: (error(sampled[name], true), None) for name, true in self._softmax.items()}
        self._entmax = self._entmax or (self._entmax_truth(None), self._entmax_truth(sampled["out"].dtype))
        return dict(judge(sampled, *self._entmax).errors)

    def _inputs(self) -> "_Head":
        q, k, v, dout = (_last_head(self._tensors[name]).detach() for name in ("q", "k", "v", "dout"))
        keys = torch.arange(k.shape[2], device=k.device)
        visible = keys <= self._rows[:, None] if self._cell.causal else None
        return _Head(q[:, :, self._rows], k, v, dout[:, :, self._rows], visible)

    def _entmax_truth(self, rounded_to: torch.dtype | None) -> "_Results":
        head = self._inputs()
        return attention_gradients(
            head.q,
            head.k,
            head.v,
            head.dout,
            alpha=self._cell.number,
            rounded_to=rounded_to,
            attn_mask=head.visible,
        )

    def _softmax_truth(self) -> "_Results":
        head = self._inputs()
        q, k, v = (tensor.double().requires_grad_() for tensor in (head.q, head.k, head.v))
        scores = q @ k.mT * self._cell.head_dim**-0.5
        if head.visible is not None:
            scores = scores.masked_fill(~head.visible, -torch.inf)
        out = scores.softmax(-1) @ v
        dq, dk, dv = torch.autograd.grad(out, (q, k, v), head.dout.double())
        return {"out": out.detach(), "dq": dq, "dk": dk, "dv": dv}


_Results = dict[str, torch.Tensor]


@dataclass(frozen=True, slots=True)
class _Head:
    """One head: sampled queries, all keys, and which of them each query sees."""

    q: torch.Tensor
    k: torch.Tensor
    v: torch.Tensor
    dout: torch.Tensor
    visible: torch.Tensor | None


def density_of(cell: Cell, tensors: Mapping[str, torch.Tensor]) -> float:
    """Tile density (64×64) of the last head, at up to 128 of its query blocks, spread evenly."""
    q, k = _last_head(tensors["q"]).detach(), _last_head(tensors["k"]).detach()
    alive = tiles = 0.0
    for block in _spread(cell.seq_len, _DENSITY_BLOCKS):
        first, last = block * _BLOCK, min((block + 1) * _BLOCK, cell.seq_len)
        keys = k[:, :, :last] if cell.causal else k
        visible = -(-keys.shape[2] // _BLOCK)
        alive += visible * tile_density(q[:, :, first:last], keys, cell.number, cell.causal, block=_BLOCK)
        tiles += visible
    return alive / tiles


def _last_head(tensor: torch.Tensor) -> torch.Tensor:
    """The last one: an index that overflows goes wrong there first."""
    return tensor[-1:, -1:]


def _spread(seq_len: int, most: int) -> list[int]:
    """Up to `most` blocks, the first and the last among them."""
    blocks = -(-seq_len // _BLOCK)
    return sorted({round(i) for i in torch.linspace(0, blocks - 1, min(most, blocks)).tolist()})


def _rows(block: int, device: torch.device) -> torch.Tensor:
    return torch.arange(block * _BLOCK, (block + 1) * _BLOCK, device=device)
