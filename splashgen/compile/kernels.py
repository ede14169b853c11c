"""(Problem, Config, Gpu) → what the compiler says of every kernel that the rendered module launches."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from splashgen.cases import case_for
from splashgen.compile.inputs import meta_inputs
from splashgen.compile.loops import Loop, instructions_and_loops
from splashgen.compile.recorder import compiling_for
from splashgen.compile.resources import registers_and_spills
from splashgen.config import Config
from splashgen.gpu import Gpu
from splashgen.kernel import build
from splashgen.problem import Problem

__all__ = ["CompiledKernel", "compile_kernels", "described", "fits"]

_TENSOR_MEMORY = 512
"""Columns of tensor memory in a multiprocessor of every Blackwell chip."""


@dataclass(frozen=True, slots=True)
class CompiledKernel:
    """The resources of one kernel on the GPU that it was compiled for."""

    name: str
    shared_memory: int
    """Bytes a block."""
    registers: int
    """32-bit registers a thread."""
    spills: int
    """32-bit registers a thread keeps in memory for want of room: slow, but not wrong."""
    num_warps: int
    tensor_memory: int = 0
    """Columns of Blackwell's tensor memory."""
    instructions: int = 0
    """Of the whole kernel; 0 where they were not counted."""
    loops: tuple[Loop, ...] = ()
    """Its innermost loops; empty where they were not counted."""


def compile_kernels(
    problem: Problem, config: Config, gpu: Gpu, counted: bool = False
) -> tuple[CompiledKernel, ...]:
    """Render the module and compile, without a GPU, every kernel that its host functions launch.

    Triton's cache on disk then holds what the launch on that GPU looks for, so it starts at once there.
    Kernels that differ only in specialisation are reported one by one, in the order of their first launch.
    With `counted`, the binaries are disassembled and their instructions counted: 0.3 s a kernel more.

    Raises
    ------
    ValueError
        If the GPU has no compiler (`cpu`) or the config is no member of its family's space.
    RuntimeError
        If the process runs Triton's interpreter.
    """
    case, inputs = case_for(problem.operation), meta_inputs(problem)
    with compiling_for(gpu) as compiled:
        kernel = build(problem, config)
        result = case.forward(kernel, inputs)
        if problem.training:
            case.backward(kernel, inputs, result)
    return tuple(described(each, counted) for each in compiled.values())


def described(kernel: Any, counted: bool = False) -> CompiledKernel:
    """The resources of a `triton.compiler.CompiledKernel`."""
    registers, spills = registers_and_spills(kernel)
    facts = kernel.metadata
    tensor_memory = getattr(facts, "tmem_size", None) or 0
    counts = instructions_and_loops(kernel) if counted else (0, ())
    return CompiledKernel(
        kernel.name, facts.shared, registers, spills, facts.num_warps, tensor_memory, *counts
    )


def fits(compiled: Iterable[CompiledKernel], gpu: Gpu) -> str | None:
    """Why these kernels cannot run on this GPU, as a sentence, or None if they can."""
    for kernel in compiled:
        if kernel.shared_memory > gpu.shared_memory:
            return (
                f"{kernel.name} needs {kernel.shared_memory} bytes of shared memory a block, "
                f"but {gpu.name} has {gpu.shared_memory}."
            )
        if kernel.tensor_memory > _TENSOR_MEMORY:
            return (
                f"{kernel.name} needs {kernel.tensor_memory} columns of tensor memory, "
                f"but {gpu.name} has {_TENSOR_MEMORY}."
            )
    return None
