"""The least time that a chip needs for a computation: what is faster was not measured right."""

from collections.abc import Sequence

from splashgen.cases import Inputs, case_for
from splashgen.gpu import Gpu
from splashgen.plan.chips import CHIPS
from splashgen.problem import Problem

__all__ = ["floors_ms"]

_MARGIN = 0.9
"""Data sheets round, and a card may clock above its boost clock for a moment."""


def floors_ms(problem: Problem, gpu: Gpu, inputs: Sequence[Inputs]) -> tuple[float, ...]:
    """Milliseconds that one forward, and in training one backward, take at least on each of the inputs.

    The reads that no exact kernel can do without come from device memory, where a cold cache leaves the
    inputs, at the data sheet's bandwidth, and its products have the data sheet's matrix rate. What is written
    may stay in the cache. 0 on a chip whose rates are not known.
    """
    if gpu.slug not in CHIPS:
        return (0.0,) * len(inputs)
    chip, floors = CHIPS[gpu.slug], []
    for one in inputs:
        read, products = case_for(problem.operation).least_work(problem, one)
        seconds = max(read / (chip.bandwidth_gbs * 1e9), 2.0 * products / (chip.matrix_tflops * 1e12))
        floors.append(_MARGIN * 1e3 * seconds)
    return tuple(floors)
