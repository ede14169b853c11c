"""AdaSplash-1 (arXiv 2502.12082) and AdaSplash-2 (arXiv 2604.15180), from the package `adasplash`.

`TRITON_CACHE_AUTOTUNING=1` keeps what AdaSplash-2 tunes from one process to the next.
"""

from functools import partial
from typing import cast

import torch

from splashgen.alpha import AlphaClass
from splashgen.bench.cells import Cell
from splashgen.bench.peers.peer import Attend, Peer

__all__ = ["ADASPLASH1", "ADASPLASH2"]


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


ADASPLASH1 = Peer("adasplash1", "AdaSplash-1", _first, package="adasplash", refusal=_refusal_of_first)
ADASPLASH2 = Peer(
    "adasplash2",
    "AdaSplash-2",
    _second,
    package="adasplash",
    refusal=_refusal_of_second,
    start_seconds=150.0,
)
