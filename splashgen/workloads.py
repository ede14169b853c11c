"""Seeded inputs that mean something: nearly dense Gaussian scores, clustered ones, and adversarial ones.

Everything is drawn by a CPU generator in float32, so a seed gives the same numbers for every device.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from splashgen.density import tile_density

__all__ = [
    "ROW_WORKLOADS",
    "WORKLOADS",
    "Shape",
    "attention_tensors",
    "entmax_scores",
    "ragged_lengths",
    "tile_density",
]

_BLOCK = 64
_CODES = 16


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of one attention problem."""

    batch: int
    heads: int
    kv_heads: int
    n_q: int
    n_k: int
    head_dim: int
    value_dim: int


def attention_tensors(workload: str, shape: Shape, seed: int) -> dict[str, torch.Tensor]:
    """`q`, `k`, `v` and `dout`, (batch, heads, length, dim), float32 on the CPU.

    The workloads assume the scale 1/√head_dim; v and dout are standard Gaussian.

    Raises
    ------
    ValueError
        If there is no such workload, or head_dim is too small for the clustered ones.
    """
    if workload not in WORKLOADS:
        raise ValueError(f"There is no workload {workload!r}; there are {', '.join(WORKLOADS)}.")
    generator = torch.Generator().manual_seed(seed)
    q, k = WORKLOADS[workload](shape, generator)
    v = torch.randn(shape.batch, shape.kv_heads, shape.n_k, shape.value_dim, generator=generator)
    dout = torch.randn(shape.batch, shape.heads, shape.n_q, shape.value_dim, generator=generator)
    return {"q": q, "k": k, "v": v, "dout": dout}


def ragged_lengths(longest: int, generator: torch.Generator) -> tuple[int, int]:
    """Query and key length that differ, either one the longer, which is `longest`; (1, 1) for 1."""
    other = int(torch.randint(max(longest // 2, 1), max(longest, 2), (), generator=generator))
    return (longest, other) if torch.rand((), generator=generator) < 0.5 else (other, longest)


def entmax_scores(workload: str, rows: int, n: int, seed: int) -> torch.Tensor:
    """Rows of scores (rows, n), float32 on the CPU; `ragged` has masked entries and a row of nothing else.

    Raises
    ------
    ValueError
        If there is no such workload.
    """
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, n, generator=generator)
    match workload:
        case "gaussian":
            return x
        case "gaussian6":
            return 6.0 * x
        case "extreme":
            return 40.0 * x
        case "ties":
            return (2.0 * x).round()
        case "ragged":
            x.masked_fill_(torch.rand(rows, n, generator=generator) < 0.3, -math.inf)
            x[rows // 2] = -math.inf
            return x
    raise ValueError(f"There are no rows of workload {workload!r}; there are {', '.join(ROW_WORKLOADS)}.")


def _gaussian(gain: float) -> Callable[[Shape, torch.Generator], tuple[torch.Tensor, torch.Tensor]]:
    """Scores are N(0, gain²)."""

    def draw(shape: Shape, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        q, k = _normal(shape, generator)
        return gain * q, k

    return draw


def _clustered(listens: int) -> Callable[[Shape, torch.Generator], tuple[torch.Tensor, torch.Tensor]]:
    """Each 64-key block carries one of 16 orthonormal codes; each 64-query block listens to `listens` of them
    and to its own block's. Matching scores stand 8 above the rest, under noise that leaves them alive.
    """

    def draw(shape: Shape, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        if shape.head_dim < _CODES:
            raise ValueError(f"Clustered inputs need a head_dim of at least {_CODES}, not {shape.head_dim}.")
        basis = torch.linalg.qr(torch.randn(shape.head_dim, shape.head_dim, generator=generator))[0]
        codes = math.sqrt(8.0 * math.sqrt(shape.head_dim)) * basis[:_CODES]
        key_block, query_block = _blocks(shape)
        blocks = int(max(key_block.max(), query_block.max())) + 1
        carried = torch.randint(_CODES, (shape.batch, shape.kv_heads, blocks), generator=generator)
        order = torch.rand(shape.batch, shape.heads, blocks, _CODES, generator=generator).argsort(-1)
        wanted = torch.zeros(order.shape).scatter_(-1, order[..., :listens], 1.0)
        own = carried.repeat_interleave(shape.heads // shape.kv_heads, 1)
        wanted.scatter_(-1, own[..., None], 1.0)
        q, k = _normal(shape, generator)
        return q + (wanted @ codes)[:, :, query_block], 0.5 * k + codes[carried][:, :, key_block]

    return draw


def _local_sink(shape: Shape, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Queries want the keys near their own position and the first four keys, as trained models do."""
    key_block, query_block = _blocks(shape)
    offset = shape.n_k - shape.n_q
    knots = torch.randn(int(max(key_block.max(), query_block.max())) + 2, shape.head_dim, generator=generator)
    knots[:, 0] = 0.0
    knots *= math.sqrt(10.0 * math.sqrt(shape.head_dim)) / knots.norm(dim=-1, keepdim=True)

    def track(positions: torch.Tensor) -> torch.Tensor:
        """A smooth path through random directions: near positions have near directions."""
        positions = positions.clamp(min=0)
        block = positions // _BLOCK
        angle = (positions % _BLOCK / _BLOCK * (math.pi / 2))[:, None]
        return angle.cos() * knots[block] + angle.sin() * knots[block + 1]

    q, k = _normal(shape, generator)
    q, k = 0.5 * q + track(torch.arange(shape.n_q) + offset), 0.5 * k + track(torch.arange(shape.n_k))
    strength = math.sqrt(10.0 * math.sqrt(shape.head_dim))
    q[..., 0] += strength
    k[:, :, :4, 0] += strength
    return q, k


def _ties(shape: Shape, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Small integers and few different keys: many scores of a row are equal to the last bit."""
    q, k = _normal(shape, generator)
    few = k[:, :, torch.arange(shape.n_k) % min(4, max(shape.n_k, 1))]
    return q.round(), few.round()


def _normal(shape: Shape, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    q = torch.randn(shape.batch, shape.heads, shape.n_q, shape.head_dim, generator=generator)
    k = torch.randn(shape.batch, shape.kv_heads, shape.n_k, shape.head_dim, generator=generator)
    return q, k


def _blocks(shape: Shape) -> tuple[torch.Tensor, torch.Tensor]:
    """The 64-block of each key, and of each query's position (aligned to the bottom right)."""
    positions = (torch.arange(shape.n_q) + shape.n_k - shape.n_q).clamp(min=0)
    return torch.arange(shape.n_k) // _BLOCK, positions // _BLOCK


WORKLOADS: Mapping[str, Callable[[Shape, torch.Generator], tuple[torch.Tensor, torch.Tensor]]] = {
    "gaussian": _gaussian(1.0),
    "gaussian6": _gaussian(6.0),
    "clustered1": _clustered(1),
    "clustered2": _clustered(2),
    "clustered4": _clustered(4),
    "clustered8": _clustered(8),
    "local_sink": _local_sink,
    "ties": _ties,
    "extreme": _gaussian(40.0),
    "ragged": _gaussian(2.0),
}
"""How queries and keys are drawn; |scores| of `extreme` reach about 200."""

ROW_WORKLOADS = ("gaussian", "gaussian6", "ties", "extreme", "ragged")
"""Those that `entmax_scores` knows."""
