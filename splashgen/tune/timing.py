"""Timing kernels: cold caches, no launch gaps, rounds that visit every workload once."""

import functools
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from splashgen.cases import Case, Inputs, case_for
from splashgen.gpu import Gpu
from splashgen.kernel import Kernel
from splashgen.problem import Problem
from splashgen.tune.noise import geometric_mean

__all__ = ["Stopwatch", "Subject", "device_of", "repeat", "rounds", "timed_inputs"]

_FEWEST, _MOST = 5, 200
"""Rounds of a measurement, however slow or fast a kernel is."""
_HOPELESS = 2.0
"""A candidate this many times slower than the best is not worth more rounds."""
_CPU_CACHE = 32 * 1024**2


def device_of(gpu: Gpu) -> torch.device:
    """Where tensors for this GPU live."""
    return torch.device("cpu" if gpu.backend == "cpu" else "cuda")


class Stopwatch:
    """Times single calls, each with a cold cache.

    On a GPU a call is timed by events around it, and the device is kept busy until the host has enqueued the
    call, so that its launches are not timed but for what the kernels themselves wait for.
    """

    def __init__(self, device: torch.device) -> None:
        self._cuda = device.type == "cuda"
        size = 2 * torch.cuda.get_device_properties(device).L2_cache_size if self._cuda else _CPU_CACHE
        self._evictor = torch.empty(max(size, _CPU_CACHE) // 4, dtype=torch.int32, device=device)
        self._host_seconds = 0.0

    def lap(self, call: Callable[[], Any]) -> tuple[float, Any]:
        """Milliseconds that `call` took, and its result."""
        return self._lap_cuda(call) if self._cuda else self._lap_cpu(call)

    def _lap_cpu(self, call: Callable[[], Any]) -> tuple[float, Any]:
        self._evictor.zero_()
        start = time.perf_counter()
        result = call()
        return (time.perf_counter() - start) * 1e3, result

    def _lap_cuda(self, call: Callable[[], Any]) -> tuple[float, Any]:
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        # At 2 GHz; the first lap compiles, so its host time says nothing and is cut.
        torch.cuda._sleep(int(min(self._host_seconds, 2e-3) * 3e9))
        self._evictor.zero_()
        start.record()
        began = time.perf_counter()
        result = call()
        self._host_seconds = time.perf_counter() - began
        end.record()
        end.synchronize()
        return start.elapsed_time(end), result


@functools.lru_cache(maxsize=1)
def timed_inputs(problem: Problem, seed: int, device: torch.device) -> tuple[Inputs, ...]:
    """The inputs of every timed workload at the problem's length."""
    case = case_for(problem.operation)
    return tuple(case.draw(problem, name, seed, device) for name in case.timed)


class Subject:
    """A kernel with the inputs that it is timed on."""

    def __init__(self, case: Case, kernel: Kernel, inputs: Sequence[Inputs], watch: Stopwatch) -> None:
        self._case, self._kernel, self._inputs, self._watch = case, kernel, inputs, watch

    def round(self) -> float:
        """Milliseconds of forward plus, in training, backward: the geometric mean over the workloads."""
        return geometric_mean([self._one(inputs) for inputs in self._inputs])

    def _one(self, inputs: Inputs) -> float:
        spent, result = self._watch.lap(lambda: self._case.forward(self._kernel, inputs))
        if self._kernel.backward is not None:
            more, _ = self._watch.lap(lambda: self._case.backward(self._kernel, inputs, result))
            spent += more
        return spent


def rounds(seconds: float) -> Iterator[int]:
    """Count rounds until the time is up; few where they are slow, and not without end where they are fast."""
    began = time.monotonic()
    for number in range(_MOST):
        if number >= _FEWEST and time.monotonic() - began >= seconds:
            return
        yield number


def repeat(subject: Subject, seconds: float, best_ms: float | None = None) -> Iterator[float]:
    """Samples in milliseconds: as many as fit, or two of a subject that is far behind `best_ms`."""
    subject.round()  # compiles, and warms up
    behind = 0
    for _ in rounds(seconds):
        sample = subject.round()
        yield sample
        behind += best_ms is not None and sample > _HOPELESS * best_ms
        if behind == 2:
            return
