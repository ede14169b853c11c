"""`Peer`: one implementation of attention that takes part in the comparison."""

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from splashgen.bench.cells import Cell
from splashgen.bench.compilations import Compilation
from splashgen.gpu import Gpu

__all__ = ["Attend", "Peer"]

Attend = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""q, k, v, each (batch, heads, length, head_dim) → (batch, heads, length, head_dim), differentiable."""


def _accepts(cell: Cell, device: torch.device) -> None:
    return None


def _compiles_nothing(cell: Cell, gpu: Gpu) -> Sequence[Compilation]:
    return ()


def _no_facts(cell: Cell, device: torch.device) -> dict[str, Any]:
    return {}


@dataclass(frozen=True, slots=True)
class Peer:
    """A name and how to run it. `attend` may take its time: that counts as part of the first call."""

    name: str
    title: str
    attend: Callable[[Cell, torch.device], Attend]
    softmax: bool = False
    """It computes softmax attention, another function: it is compared with in speed and memory alone."""
    package: str | None = None
    """A module that must be installed."""
    refusal: Callable[[Cell, torch.device], str | None] = _accepts
    """Why it cannot compute a cell, a sentence; None if it can."""
    start_seconds: float = 0.0
    """What its first call for a shape takes about, where it tunes itself: a run with less time left waits."""
    facts: Callable[[Cell, torch.device], dict[str, Any]] = _no_facts
    """What else is worth recording, after the first call."""
    compilations: Callable[[Cell, Gpu], Sequence[Compilation]] = _compiles_nothing
    """What its first call will compile and `--prepare` can compile before, in as small pieces as possible."""

    @property
    def missing(self) -> str | None:
        """Why it is not here, a sentence; None if it is."""
        if self.package is None or importlib.util.find_spec(self.package) is not None:
            return None
        return f"The package {self.package} is not installed."
