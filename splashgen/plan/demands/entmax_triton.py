"""What the kernels of `templates/entmax_triton.py.j2` do: rows held in registers, or read once a step."""

import math
from collections.abc import Mapping, Sequence

from splashgen.compile import CompiledKernel
from splashgen.config import Config
from splashgen.plan.demands import Demand
from splashgen.plan.sample import row_passes
from splashgen.problem import DType, Problem

__all__ = ["SCHEDULE", "demands"]

SCHEDULE = ("block_rows", "tile", "num_warps")

_ELEMENTS = 1 << 24
"""What entmax is timed on: `splashgen.cases.entmax`."""


def demands(
    problem: Problem, config: Config, kernels: Mapping[str, CompiledKernel], workload: str
) -> Sequence[Demand]:
    """The work of the forward and, in training, the backward kernel."""
    n = problem.seq_len
    passes = row_passes(problem.bucketed(), workload.removeprefix("timed:"))
    if n <= config.number("longest_held"):
        made = [_held(problem, config, kernels["_forward_held"], 2, passes)]
        if problem.training:
            made.append(_held(problem, config, kernels["_backward_held"], 3, 1.0))
        return made
    tiles = math.ceil(n / config.number("tile"))
    # The maximum, the passes and the output each read the row; of the backward's two readings, one writes.
    made = [_long(problem, kernels["_forward_long"], tiles, passes + 2.0, passes + 3.0)]
    if problem.training:
        made.append(_long(problem, kernels["_backward_long"], tiles, 2.0, 5.0))
    return made


def _held(problem: Problem, config: Config, kernel: CompiledKernel, moves: int, passes: float) -> Demand:
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


def _long(problem: Problem, kernel: CompiledKernel, tiles: int, readings: float, moves: float) -> Demand:
    """A block for each row, a turn for each tile of each reading."""
    blocks = max(_ELEMENTS // problem.seq_len, 1)
    body = sum(loop.instructions for loop in kernel.loops) / max(len(kernel.loops), 1)
    turns = blocks * tiles * readings
    return Demand(
        kernel,
        blocks=blocks,
        instructions=turns * (body or kernel.instructions) * kernel.num_warps,
        turns=turns,
        bytes=float(_ELEMENTS * _width(problem)) * moves,
    )


def _width(problem: Problem) -> int:
    return 4 if problem.dtype is DType.FLOAT32 else 2
