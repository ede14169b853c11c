"""Timing kernels: cold caches, no launch gaps, rounds that visit every workload once."""

import functools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from splashgen.cases import Case, Inputs, case_for
from splashgen.gpu import Gpu
from splashgen.kernel import Kernel
from splashgen.problem import Problem
from splashgen.store.entry import Regime
from splashgen.tune.measure.graphs import captured
from splashgen.tune.measure.lengths import ragged
from splashgen.tune.measure.noise import Interval, geometric_mean, slower_beyond_doubt

__all__ = ["Beside", "Stopwatch", "Subject", "bucket_inputs", "device_of", "repeat", "rounds", "timed_inputs"]

_FEWEST, _MOST = 5, 200
"""Rounds of a measurement, however slow or fast a kernel is."""
_HOPELESS = 2.0
"""A candidate this many times slower than the best is not worth more rounds."""
_BEHIND = 1.03
"""A candidate that is certainly this many times slower than the best is not worth more rounds either; those
that are nearer may be finalists."""
_KNOWN = 0.001
"""A time beside the anchor that is known to this part is not worth more rounds,"""
_KNOWN_APART = 0.15
"""nor one that is known to this part of its distance from the best."""
_FIRST_LOOK, _LOOKS = 6, 3
"""Rounds after which it is looked at how well it is known, and from there to the next look."""
_STEADY = 0.02
"""Two rounds that differ by no more than this part are warm."""
_SHORT_MS = 0.1
"""Of forward and backward together: below it the gaps between a call's kernels, which the host leaves even
where it is ahead, are more than noise, and a graph closes them."""
_BUSY_CLOCKS = 3e9
"""Of the multiprocessors, for each second that the host took for the call before: half again as long at
2 GHz, since it may be slower this time, and just as long on a chip that clocks at 3 GHz. More would cost
time alone, fewer would let launch gaps be timed."""
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
        self.graphs = self._cuda
        """Whether calls may be replayed from CUDA graphs."""
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
        # The first lap compiles, so its host time says nothing and is cut.
        torch.cuda._sleep(int(min(self._host_seconds, 2e-3) * _BUSY_CLOCKS))
        self._evictor.zero_()
        start.record()
        began = time.perf_counter()
        result = call()
        self._host_seconds = time.perf_counter() - began
        end.record()
        end.synchronize()
        return start.elapsed_time(end), result


def bucket_inputs(
    problem: Problem, seed: int, device: torch.device, regime: Regime
) -> tuple[tuple[Inputs, ...], tuple[Inputs, ...]]:
    """The inputs of every workload that is timed in the regime: at the bucket's own length, at a ragged one.

    A round over both takes longer and tells more: half as many are needed to know what a candidate is worth.
    There are none at a ragged length in a bucket that has none.
    """
    elsewhere = ragged(problem)
    own = timed_inputs(problem, seed, device, regime)
    return own, () if elsewhere is None else timed_inputs(elsewhere, seed, device, regime)


@functools.lru_cache(maxsize=2)  # a bucket has two lengths
def timed_inputs(problem: Problem, seed: int, device: torch.device, regime: Regime) -> tuple[Inputs, ...]:
    """The inputs of every workload that is timed in the regime, at the problem's length."""
    case = case_for(problem.operation)
    return tuple(case.draw(problem, name, seed, device) for name in case.timed[regime])


class Subject:
    """A kernel with the inputs that it is timed on."""

    def __init__(self, case: Case, kernel: Kernel, inputs: Sequence[Inputs], watch: Stopwatch) -> None:
        self._passes = [_Passes(case, kernel, one, watch) for one in inputs]

    def round(self) -> tuple[float, ...]:
        """Milliseconds of forward plus, in training, backward, on each of the inputs."""
        return tuple(passes.lap() for passes in self._passes)

    def warm_up(self, seconds: float) -> None:
        """Compile, and run until two rounds agree, for at most so many seconds; short calls become graphs."""
        before = self.round()
        for passes in self._passes:
            passes.choose()
        end = time.monotonic() + seconds
        while True:
            now = self.round()
            steady = abs(geometric_mean(now) / geometric_mean(before) - 1.0) <= _STEADY
            if steady or time.monotonic() >= end:
                return
            before = now


class _Passes:
    """Forward and, in training, backward on one input."""

    def __init__(self, case: Case, kernel: Kernel, inputs: Inputs, watch: Stopwatch) -> None:
        self._case, self._kernel, self._inputs, self._watch = case, kernel, inputs, watch
        self._replays: list[Callable[[], Any]] = []

    def lap(self) -> float:
        """Milliseconds of the passes together."""
        if self._replays:
            return sum(self._watch.lap(replay)[0] for replay in self._replays)
        spent, result = self._watch.lap(self._forward)
        if self._kernel.backward is not None:
            spent += self._watch.lap(lambda: self._backward(result))[0]
        return spent

    def choose(self) -> None:
        """Replay the passes from CUDA graphs from now on, if they are so short that launching them shows."""
        if not self._watch.graphs or self.lap() >= _SHORT_MS:
            return
        forward = captured(self._forward)
        if forward is None:
            return
        replays, result = [forward[0]], forward[1]
        if self._kernel.backward is not None:
            backward = captured(lambda: self._backward(result))
            if backward is None:
                return
            replays.append(backward[0])
        self._replays = replays

    def _forward(self) -> Any:
        return self._case.forward(self._kernel, self._inputs)

    def _backward(self, result: Any) -> Any:
        return self._case.backward(self._kernel, self._inputs, result)


def rounds(seconds: float, fewest: int = _FEWEST) -> Iterator[int]:
    """Count rounds until the time is up; few where they are slow, and not without end where they are fast."""
    began = time.monotonic()
    for number in range(_MOST):
        if number >= fewest and time.monotonic() - began >= seconds:
            return
        yield number


@dataclass(frozen=True, slots=True)
class Beside:
    """Another subject that takes part in each round: what drifts from candidate to candidate hits both."""

    subject: Subject
    """Warm."""
    laps: tuple[float, ...]
    """Its milliseconds on each of the inputs when it was timed itself."""

    def round(self, subject: Subject, first: bool) -> tuple[float, ...]:
        """Milliseconds of the subject, as they would have been then."""
        mine = subject.round() if first else None
        others = self.subject.round()
        mine = mine or subject.round()
        laps = zip(mine, others, self.laps, strict=True)
        return tuple(lap / other * then for lap, other, then in laps)


def repeat(
    subject: Subject, seconds: float, anchor: Beside | None = None, best: Sequence[float] = ()
) -> Iterator[tuple[float, ...]]:
    """Rounds of a subject once it is warm: as many as fit, or as many as it takes to know.

    Parameters
    ----------
    seconds : float
        To spend; a part of it, at most a quarter, goes to warming up.
    anchor : Beside, optional
        Takes part in each round, and its drift is taken out of the times.
    best : sequence of float
        Median milliseconds of the fastest so far on each of the inputs: few rounds are enough for a subject
        that is certainly slower. Empty if there is none.
    """
    began = time.monotonic()
    subject.warm_up(seconds / 4.0)
    samples: list[float] = []
    pairs: list[tuple[float, float]] = []
    hopeless = 0
    for number in rounds(seconds - (time.monotonic() - began)):
        laps = anchor.round(subject, first=number % 2 == 0) if anchor else subject.round()
        yield laps
        if not best:
            continue
        samples.append(geometric_mean(laps))
        hopeless += samples[-1] > _HOPELESS * geometric_mean(best)
        pairs += zip(laps, best, strict=True)
        if hopeless == 2 or slower_beyond_doubt(pairs, _BEHIND):
            return
        if anchor and number + 1 >= _FIRST_LOOK and (number + 1) % _LOOKS == 0 and _well_known(samples, best):
            return


def _well_known(samples: Sequence[float], best: Sequence[float]) -> bool:
    time = Interval.of(samples)
    return time.uncertainty <= max(_KNOWN, _KNOWN_APART * abs(time.median / geometric_mean(best) - 1.0))
