"""The loops of a kernel that multiplies tiles: which turns over which tiles, and what a turn costs a warp."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from splashgen.compile import CompiledKernel
from splashgen.compile.loops import Loop

__all__ = ["Array", "Kind", "cost", "heavy", "light", "of_grain", "straight", "tiles_cost"]

Array = NDArray[np.float64]

Kind = Callable[[CompiledKernel], tuple[Loop, Loop]]
"""`light` or `heavy`: a kernel's loop over unmasked tiles, and over masked ones; or the ways of one loop."""


def tiles_cost(kernel: CompiledKernel, kind: Kind, tiles: float, masked: float) -> Array:
    """Instructions of a warp for so many tiles, some of them masked; loads and stores among them."""
    plain, edge = kind(kernel)
    masked = min(masked, tiles)
    return (tiles - masked) * cost(plain) + masked * cost(edge)


def light(kernel: CompiledKernel) -> tuple[Loop, Loop]:
    """The loops with the fewest matrix products, over unmasked and over masked tiles: scores alone."""
    loops = _multiplying(kernel)
    return _plain_and_masked([loop for loop in loops if loop.products == loops[0].products])


def heavy(kernel: CompiledKernel) -> tuple[Loop, Loop]:
    """The loops with the most matrix products, over unmasked and over masked tiles."""
    loops = _multiplying(kernel)
    return _plain_and_masked([loop for loop in loops if loop.products == loops[-1].products])


def of_grain(kernel: CompiledKernel, of_rows: bool) -> CompiledKernel:
    """Of a kernel that goes over lists of single rows or of whole tiles: with the loops over one of the two.

    Of the loops with as many products, those over rows load more: the numbers too, and each row by itself.
    """
    kept = [loop for loop in kernel.loops if not loop.products]
    for products in {loop.products for loop in kernel.loops if loop.products}:
        alike = [loop for loop in kernel.loops if loop.products == products]
        alike.sort(key=lambda loop: loop.transfers)
        half = len(alike) // 2
        kept += alike[half:] if of_rows else alike[:half] or alike
    return replace(kernel, loops=tuple(kept))


def _plain_and_masked(loops: Sequence[Loop]) -> tuple[Loop, Loop]:
    """A loop over both branches around its mask, and is then as long as one that has none."""
    plain = min(
        (replace(loop, instructions=loop.instructions - loop.optional) for loop in loops), key=_length
    )
    return plain, max(loops, key=_length)


def _length(loop: Loop) -> int:
    return loop.instructions


def _multiplying(kernel: CompiledKernel) -> list[Loop]:
    """The loops with matrix products, fewest first; the whole code where the compiler left no such loop."""
    loops = [loop for loop in kernel.loops if loop.products]
    return sorted(loops, key=lambda loop: loop.products) or [Loop(kernel.instructions, 0)]


def cost(loop: Loop) -> Array:
    """A warp's instructions in one turn, and its loads and stores: (2,)."""
    return np.array([loop.instructions, loop.transfers], dtype=np.float64)


def straight(kernel: CompiledKernel) -> Array:
    """The instructions outside of the innermost loops, of which no loads and stores are known: (2,)."""
    outside = kernel.instructions - sum(loop.instructions for loop in kernel.loops)
    return np.array([max(outside, 0), 0], dtype=np.float64)
