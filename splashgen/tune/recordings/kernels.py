"""What the compiler says of the candidates of a recording."""

from concurrent.futures import Future
from dataclasses import replace

from splashgen.compile import CompiledKernel, CompilePool, Job
from splashgen.errors import KernelError
from splashgen.render import render
from splashgen.tune.recordings.recording import Head, Recording, Resources, Row

__all__ = ["resources_of", "unchanged", "with_kernels"]


def resources_of(compiled: "Future[tuple[CompiledKernel, ...]]") -> tuple[Resources, ...]:
    """The kernels in the order of their launches; none where the compiler failed."""
    try:
        kernels = compiled.result()
    except KernelError:
        return ()
    return tuple(
        Resources(
            each.name,
            each.registers,
            each.spills,
            each.shared_memory,
            each.num_warps,
            each.tensor_memory,
            each.instructions,
            each.loops,
        )
        for each in kernels
    )


def with_kernels(recording: Recording, pool: CompilePool) -> Recording:
    """The recording with kernels for correct candidates that have none and whose code is the same today.

    Nothing is compiled for a CPU.

    Parameters
    ----------
    pool : CompilePool
        Compiles for the recorded chip, which need not be here.
    """
    head = recording.head
    if head.gpu.backend == "cpu":
        return recording
    compiling = {
        row.config: pool.submit(Job(head.problem, row.config, head.gpu, counted=True))
        for row in recording.rows
        if row.outcome.ok and not row.kernels and unchanged(head, row)
    }
    rows = (
        replace(row, kernels=resources_of(compiling[row.config])) if row.config in compiling else row
        for row in recording.rows
    )
    return replace(recording, rows=tuple(rows))


def unchanged(head: Head, row: Row) -> bool:
    """Whether today's templates make the code that was measured."""
    try:
        return render(head.problem, row.config).hash == row.code_hash
    except (ValueError, NotImplementedError):  # the family has other parameters now
        return False
