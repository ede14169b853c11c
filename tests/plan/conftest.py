"""Kernels that nobody compiled, for planning without a compiler."""

from collections.abc import Callable

import pytest

from splashgen.compile import CompiledKernel
from splashgen.compile.loops import Loop
from splashgen.config import Config

Make = Callable[[Config], tuple[CompiledKernel, ...]]


def _kernel(name: str, registers: int, shared: int, warps: int, *loops: tuple[int, int]) -> CompiledKernel:
    made = tuple(Loop(*loop) for loop in loops)
    instructions = 500 + sum(loop.instructions for loop in made)
    return CompiledKernel(name, shared, registers, 0, warps, 0, instructions, made)


@pytest.fixture
def attention_kernels() -> Make:
    """What a compiler might say of an attention config: shared memory grows with stages and blocks."""

    def make(config: Config) -> tuple[CompiledKernel, ...]:
        block_n, warps = int(config.number("block_n")), int(config.number("bound_warps"))
        bound = int(config.number("bound_m")) * int(config.number("bound_n"))

        def shared(stages: str) -> int:
            return 8192 + int(config.number(stages)) * block_n * 256

        body = bound * 3 // (32 * warps)
        return (
            _kernel(
                "_bound", 168, shared("bound_stages"), warps, (body, 8), (2 * body, 8), (140, 0), (800, 0)
            ),
            _kernel("_output", 168, shared("output_stages"), 4, (217, 4), (431, 4), (387, 12), (611, 12)),
            _kernel("_flag_tiles", 24, 0, 4, (86, 0)),
            _kernel("_dq", 167, shared("dq_stages"), 4, (252, 12), (475, 12)),
            _kernel("_list_queries", 32, 8, 4, (111, 0)),
            _kernel("_dkdv", 238, shared("dkdv_stages"), 4, (374, 16), (739, 16)),
        )

    return make
