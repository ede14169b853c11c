"""Recordings as the cost model sees them: every candidate that was right, with its terms and its time."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from splashgen.compile import CompiledKernel
from splashgen.config import Config
from splashgen.errors import KernelError
from splashgen.gpu import Gpu
from splashgen.plan.fit import Measured
from splashgen.plan.model import terms_of
from splashgen.problem import Problem
from splashgen.tune.recordings.kernels import unchanged
from splashgen.tune.recordings.recording import Head, Recording, Row

__all__ = ["Recorded", "recorded"]

Compile = Callable[[Problem, Config, Gpu], tuple[CompiledKernel, ...] | KernelError]


@dataclass(frozen=True)
class Recorded:
    """The correct candidates of one problem on one chip."""

    problem: Problem
    gpu: Gpu
    configs: tuple[Config, ...]
    measured: Measured
    """In the order of `configs`."""
    default: int | None
    """The place of the family's default among them; None if it was not right."""
    points: int = 0
    """Of the recorded space; see `splashgen.tune.recordings.recording.Head`."""


def recorded(recording: Recording, compile_one: Compile | None = None) -> Recorded:
    """The rows that were correct and timed, without those whose kernels are not known.

    Parameters
    ----------
    recording : Recording
        From `splashgen.tune.recordings.files.read`.
    compile_one : callable, optional
        Asked for the kernels of rows that do not say how many instructions their loops have, provided that
        today's templates make the code that was measured.

    Raises
    ------
    ValueError
        If no row can be used.
    """
    head = recording.head
    configs, terms, times = [], [], []
    for row in recording.rows:
        kernels = _kernels(row, head, compile_one) if row.outcome.ok else ()
        if kernels:
            configs.append(row.config)
            terms.append(terms_of(head.problem, row.config, head.gpu, kernels))
            times.append(row.outcome.median)
    if not configs:
        raise ValueError(
            f"The recording of «{head.problem}» on {head.gpu.name} has no correct candidate whose kernels "
            "are known; record it anew."
        )
    place = configs.index(head.default) if head.default in configs else None
    # Configs may differ in how many kernels they launch.
    most = max(len(of[0]) for of in terms)
    padded = [np.pad(of, ((0, 0), (0, most - len(of[0])), (0, 0))) for of in terms]
    measured = Measured(np.stack(padded), np.array(times))
    return Recorded(head.problem, head.gpu, tuple(configs), measured, place, head.points)


def _kernels(row: Row, head: Head, compile_one: Compile | None) -> tuple[CompiledKernel, ...]:
    if row.kernels and all(kernel.instructions for kernel in row.kernels):
        return tuple(
            CompiledKernel(
                kernel.name,
                kernel.shared_memory,
                kernel.registers,
                kernel.spills,
                kernel.num_warps,
                kernel.tensor_memory,
                kernel.instructions,
                kernel.loops,
            )
            for kernel in row.kernels
        )
    if compile_one is None or not unchanged(head, row):
        return ()
    answer = compile_one(head.problem, row.config, head.gpu)
    return () if isinstance(answer, KernelError) else answer
