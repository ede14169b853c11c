"""Kernels that nobody compiled, for planning without a compiler."""

from collections.abc import Callable
from concurrent.futures import Future

import pytest

from splashgen.compile import CompiledKernel
from splashgen.compile.loops import Loop
from splashgen.config import Config
from splashgen.gpu import Gpu
from splashgen.problem import Problem

Make = Callable[[Config], tuple[CompiledKernel, ...]]


def _kernel(name: str, registers: int, shared: int, warps: int, *loops: tuple[int, ...]) -> CompiledKernel:
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
                "_bound",
                168,
                shared("bound_stages"),
                warps,
                (body, 8, body // 4),
                (2 * body, 8, body // 4),
                (140, 0),
                (800, 0),
            ),
            _kernel(
                "_output",
                168,
                shared("output_stages"),
                4,
                (217, 4, 16),
                (431, 4, 16),
                (387, 12, 64),
                (611, 12, 64),
            ),
            _kernel("_list_tiles", 32, 8, 1, (111, 0)),
            _kernel("_mark", 92, shared("mark_stages"), 4, (247, 4, 15), (311, 4, 15)),
            _kernel("_count_rows", 51, 0, 1, (685, 0, 48)),
            _kernel("_list_rows", 64, 0, 1, (182, 0, 16), (2363, 0, 134)),
            _kernel("_dq", 167, shared("dq_stages"), 4, (252, 12, 32), (475, 12, 32)),
            _kernel("_dkdv", 238, shared("dkdv_stages"), 4, (374, 16, 48), (739, 16, 48)),
        )

    return make


@pytest.fixture
def planned_kernels(attention_kernels: Make) -> type:
    """In place of `splashgen.plan.Compiled`: answers at once with `attention_kernels`."""

    class Compiled:
        def __init__(self, pool: object) -> None:
            pass

        def ask(self, problem: Problem, config: Config, gpu: Gpu) -> "Future[tuple[CompiledKernel, ...]]":
            answer: Future[tuple[CompiledKernel, ...]] = Future()
            answer.set_result(attention_kernels(config))
            return answer

    return Compiled
