"""What the kernels of `templates/entmax_triton.py.j2` do: rows held in registers, or read by tiles."""

import math
from collections.abc import Mapping, Sequence

from splashgen.compile import CompiledKernel
from splashgen.config import Config
from splashgen.plan.demands import Demand
from splashgen.plan.sample import row_passes, row_support
from splashgen.problem import DType, Problem

__all__ = ["SCHEDULE", "demands"]

SCHEDULE = ("block_rows", "tile", "num_warps")

_ELEMENTS = 1 << 24
"""What entmax is timed on: `splashgen.cases.entmax`."""
_GROUP, _MOST_GROUPS = 32, 4096
"""Elements of a long row that share a maximum, at least; and how many maxima a row has, at most."""
_SECTOR = 32
"""Bytes that are read where one of them is."""


def demands(
    problem: Problem, config: Config, kernels: Mapping[str, CompiledKernel], workload: str
) -> Sequence[Demand]:
    """The work of the forward and, in training, the backward kernel."""
    workload = workload.removeprefix("timed:")
    # The backward pass reads dy where y is not zero.
    share = row_support(problem.bucketed(), workload, _SECTOR // _width(problem)).share
    if problem.seq_len <= config.number("longest_held"):
        passes = row_passes(problem.bucketed(), workload)
        made = [_held(problem, config, kernels["_forward_held"], 2.0, passes)]
        if problem.training:
            made.append(_held(problem, config, kernels["_backward_held"], 2.0 + share, 1.0))
        return made
    made = [_forward_long(problem, config, kernels["_forward_long"], workload)]
    if problem.training:
        made.append(_backward_long(problem, config, kernels["_backward_long"], share))
    return made


def _held(problem: Problem, config: Config, kernel: CompiledKernel, moves: float, passes: float) -> Demand:
    """Each block goes through its code once, and through the solver's loop once a pass."""
    n = problem.seq_len
    block = 1 << (n - 1).bit_length()
    rows = max(1, min(int(config.number("block_rows")), int(config.number("longest_held")) // block))
    blocks = math.ceil(max(_ELEMENTS // n, 1) / rows)
    loop = max((loop.instructions for loop in kernel.loops), default=0)
    return Demand(
        kernel,
        blocks=blocks,
        instructions=blocks * (kernel.instructions + (passes - 1.0) * loop) * kernel.num_warps,
        turns=blocks * (passes + 1.0),
        bytes=float(_ELEMENTS * _width(problem) * moves),
    )


def _forward_long(problem: Problem, config: Config, kernel: CompiledKernel, workload: str) -> Demand:
    """Writes maxima of groups, solves their τ, then reads the groups above it: each pass, and the output."""
    n, tile = problem.seq_len, int(config.number("tile"))
    rows, tiles = _rows(problem), math.ceil(n / tile)
    group = min(tile, max(_GROUP, 1 << (math.ceil(n / _MOST_GROUPS) - 1).bit_length()))
    found = row_support(problem.bucketed(), workload, group)
    maxima, solve, again, output = _bodies(kernel, 4)
    turns = tiles * (maxima + found.passes * again + output) + found.passes_of_maxima * solve
    read_again = found.passes + 1.0
    elements = float(rows * n)
    return Demand(
        kernel,
        blocks=rows,
        instructions=rows * turns * kernel.num_warps,
        turns=rows * (tiles * (2.0 + found.passes) + found.passes_of_maxima),
        # The row in and out and what is seen again of it; maxima in float32, written, solved and seen again.
        bytes=elements * _width(problem) * (2.0 + found.share * read_again)
        + elements / group * 4.0 * (2.0 + read_again),
    )


def _backward_long(problem: Problem, config: Config, kernel: CompiledKernel, share: float) -> Demand:
    """Reads y and, on the support, dy twice; writes dx once."""
    rows, tiles = _rows(problem), math.ceil(problem.seq_len / config.number("tile"))
    return Demand(
        kernel,
        blocks=rows,
        instructions=rows * tiles * sum(_bodies(kernel, 2)) * kernel.num_warps,
        turns=2.0 * rows * tiles,
        bytes=float(rows * problem.seq_len * _width(problem)) * (3.0 + 2.0 * share),
    )


def _bodies(kernel: CompiledKernel, count: int) -> list[float]:
    """Instructions of each loop in the order of the code; their mean where there are more or fewer."""
    found = [float(loop.instructions) for loop in kernel.loops] or [float(kernel.instructions)]
    return found if len(found) == count else [sum(found) / len(found)] * count


def _rows(problem: Problem) -> int:
    return max(_ELEMENTS // problem.seq_len, 1)


def _width(problem: Problem) -> int:
    return 4 if problem.dtype is DType.FLOAT32 else 2
