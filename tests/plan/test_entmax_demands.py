"""What entmax's kernels are said to do, against their loops and what they must move."""

from dataclasses import replace

import pytest

from splashgen.compile import CompiledKernel, Job, compile_many
from splashgen.compile.loops import Loop
from splashgen.families import family_for
from splashgen.gpu import KNOWN_GPUS
from splashgen.plan.demands import Demand, demands_of
from splashgen.plan.sample import row_support
from splashgen.problem import DType
from splashgen.tune.presets import entmax

H100 = KNOWN_GPUS["h100"]
LONG, HELD = entmax(DType.BFLOAT16, 32768), entmax(DType.BFLOAT16, 1024)
ROW_BYTES = 2.0 * (1 << 24)
"""Of all rows together."""


def kernel(name: str, *loops: int) -> CompiledKernel:
    return CompiledKernel(name, 0, 48, 0, 8, 0, 700, tuple(Loop(each, 0) for each in loops))


def demands(problem=LONG, workload="gaussian", forward=(55, 140, 110, 116)) -> list[Demand]:
    kernels = (
        kernel("_forward_held", 90),
        kernel("_backward_held"),
        kernel("_forward_long", *forward),
        kernel("_backward_long", 87, 93),
    )
    config = family_for(problem, H100).default(problem, H100)
    return list(demands_of(problem, config, kernels, f"timed:{workload}"))


def test_a_long_row_is_read_once_and_where_it_reaches_above_tau() -> None:
    forward, backward = demands()
    # In and out, and some maxima, but no pass reads the whole row again.
    assert 2.0 * ROW_BYTES < forward.bytes < 3.0 * ROW_BYTES
    # y twice, dx, and dy on the support.
    assert 3.0 * ROW_BYTES < backward.bytes < 4.0 * ROW_BYTES
    sparser, _ = demands(workload="gaussian6")
    assert sparser.bytes < forward.bytes


def test_a_held_row_reads_dy_on_the_support_alone() -> None:
    forward, backward = demands(HELD)
    assert forward.bytes == 2.0 * ROW_BYTES < backward.bytes < 3.0 * ROW_BYTES
    assert [each.kernel.name for each in demands(replace(HELD, training=False))] == ["_forward_held"]


def test_each_loop_turns_as_often_as_it_must() -> None:
    """Maxima and output turn once a tile, the passes more often, and the solver once a step."""

    def added(place: int) -> float:
        """Turns of a loop, by one more instruction in each."""
        longer = [55, 140, 110, 116]
        longer[place] += 1
        return (demands(forward=tuple(longer))[0].instructions - demands()[0].instructions) / 8

    rows, tiles = (1 << 24) // 32768, 32768 // 2048
    maxima, solver, again, output = (added(place) for place in range(4))
    assert maxima == output == rows * tiles
    assert again % (rows * tiles) == 0 and again >= rows * tiles
    assert rows <= solver < rows * tiles


def test_maxima_leave_few_passes_over_few_groups() -> None:
    found = row_support(LONG, "gaussian", 32)
    assert found.passes < found.passes_of_maxima + found.passes <= 32
    assert 0.0 < found.share < 0.2
    assert row_support(LONG, "gaussian", 32768).share == 1.0


@pytest.mark.slow
@pytest.mark.parametrize("slug", ["h100", "a100", "mi300x"])
def test_the_binary_has_these_loops(slug: str) -> None:
    gpu = KNOWN_GPUS[slug]
    (kernels,) = compile_many([Job(LONG, family_for(LONG, gpu).default(LONG, gpu), gpu, counted=True)], 1)
    assert isinstance(kernels, tuple)
    assert {each.name: len(each.loops) for each in kernels} == {"_forward_long": 4, "_backward_long": 2}
