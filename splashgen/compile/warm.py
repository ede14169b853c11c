"""Filling Triton's cache on disk: the kernels of a problem, and the launchers of those kernels."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from splashgen.cases import case_for
from splashgen.compile.inputs import meta_inputs
from splashgen.compile.recorder import compiling_for, driver_of
from splashgen.config import Config
from splashgen.gpu import Gpu
from splashgen.kernel import build
from splashgen.problem import Problem

__all__ = ["Filled", "WarmJob", "build_launchers", "counting"]


@dataclass(frozen=True, slots=True)
class Filled:
    """What one job did."""

    compiled: int
    """Kernels that were not in the cache."""
    found: int
    """Kernels that were."""
    launchers: bool
    """Whether the C functions that launch them are in the cache too: they need the driver's library."""
    seconds: float


@dataclass(frozen=True, slots=True)
class WarmJob:
    """A share of a problem's kernels, for `splashgen.compile.CompilePool`."""

    problem: Problem
    config: Config
    gpu: Gpu
    part: int = 0
    parts: int = 1

    def run(self) -> Filled:
        """Compile in this process what is missing."""
        began = time.perf_counter()
        case, inputs = case_for(self.problem.operation), meta_inputs(self.problem)
        with counting() as hits, compiling_for(self.gpu, (self.part, self.parts)) as compiled:
            kernel = build(self.problem, self.config)
            result = case.forward(kernel, inputs)
            if self.problem.training:
                case.backward(kernel, inputs, result)
        launchers = build_launchers(self.gpu, list(compiled.values()))
        return Filled(hits.count(False), hits.count(True), launchers, time.perf_counter() - began)


@contextmanager
def counting() -> Iterator[list[bool]]:
    """For each compilation within, whether the cache had it."""
    from triton import knobs

    hits: list[bool] = []
    before = knobs.compilation.listener

    def listen(*, cache_hit: bool, **facts: Any) -> None:
        hits.append(cache_hit)

    knobs.compilation.listener = listen
    try:
        yield hits
    finally:
        knobs.compilation.listener = before


def build_launchers(gpu: Gpu, kernels: list[Any]) -> bool:
    """Triton launches through C functions that it compiles for each signature; here, if the driver is here.

    Neither touches the GPU, so the process keeps out of the way of whoever computes on it.
    """
    driver = driver_of(gpu)
    if not driver.is_active():
        return False
    active = driver()
    for kernel in kernels:
        active.launcher_cls(kernel.src, kernel.metadata)
    return True
