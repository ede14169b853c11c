"""AdaSplash-1 (arXiv 2502.12082) and AdaSplash-2 (arXiv 2604.15180), from the package `adasplash`.

`TRITON_CACHE_AUTOTUNING=1` keeps what AdaSplash-2 tunes from one process to the next. AdaSplash-1 launches
five kernels that hardly depend on the length, and only on a GPU: there is nothing to prepare.
"""

from collections.abc import Sequence
from functools import partial
from typing import cast

import torch

from splashgen.alpha import AlphaClass
from splashgen.bench.cells import Cell
from splashgen.bench.compilations import Candidate, Compilation
from splashgen.bench.peers.peer import Attend, Peer
from splashgen.gpu import Gpu

__all__ = ["ADASPLASH1", "ADASPLASH2"]

_CANDIDATES = 62
"""Of AdaSplash-2: thirty configs of one kernel, six each of five more, and two kernels that are not tuned."""
_UNROLLED = (
    dict.fromkeys(range(42, 48), 4.5) | dict.fromkeys(range(49, 55), 2.5) | dict.fromkeys(range(56, 62), 1.6)
)
"""Seconds for 2^19 elements of a head: output, dq, dk and dv have loops that are unrolled over the length."""


def _first(cell: Cell, device: torch.device) -> Attend:
    import adasplash

    return cast(Attend, partial(adasplash.adasplash_v1, alpha=cell.number, is_causal=cell.causal))


def _second(cell: Cell, device: torch.device) -> Attend:
    import adasplash

    return cast(Attend, adasplash.adasplash_v2)


def _refusal_of_first(cell: Cell, device: torch.device) -> str | None:
    return None if device.type == "cuda" else "It needs a GPU."


def _refusal_of_second(cell: Cell, device: torch.device) -> str | None:
    if not cell.causal or cell.alpha is not AlphaClass.THREE_HALVES:
        return "AdaSplash-2 computes causal attention with α = 1.5 alone."
    return _refusal_of_first(cell, device)


def _compilations_of_second(cell: Cell, gpu: Gpu) -> Sequence[Compilation]:
    # Measured on one core, from 128×64 to 65536×128.
    length = cell.seq_len * cell.head_dim / 2**19
    title = f"AdaSplash-2, n={cell.seq_len} d={cell.head_dim}, candidate"
    return [
        Compilation(
            f"{title} {part}",
            Candidate(_second, cell, gpu, part, _CANDIDATES),
            0.85 + length * _UNROLLED.get(part, 0.0),
        )
        for part in range(_CANDIDATES)
    ]


ADASPLASH1 = Peer("adasplash1", "AdaSplash-1", _first, package="adasplash", refusal=_refusal_of_first)
ADASPLASH2 = Peer(
    "adasplash2",
    "AdaSplash-2",
    _second,
    package="adasplash",
    refusal=_refusal_of_second,
    start_seconds=150.0,
    compilations=_compilations_of_second,
)
