"""What a kernel demands of a chip: a module for each kernel family that can be planned, of the same name.

Such a module has a function `demands(problem, config, kernels, workload)`, which says how often each loop
turns and how many bytes move (how long that takes on a chip is the cost model's business), and `SCHEDULE`:
the parameters that only change the speed. A plan varies no others: nothing has checked its accuracy.
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType

from splashgen.compile import CompiledKernel
from splashgen.config import Config
from splashgen.problem import Problem

__all__ = ["Demand", "demands_of", "schedule_of"]


@dataclass(frozen=True, slots=True)
class Demand:
    """The work of one launch of one kernel."""

    kernel: CompiledKernel
    blocks: int
    """In the grid."""
    flops: float = 0.0
    """Matrix operations, a multiply-add counted as two."""
    instructions: float = 0.0
    """Warp instructions, summed over all warps."""
    transfers: float = 0.0
    """Of them, loads and stores."""
    turns: float = 0.0
    """Turns of loops that load, compute and reduce, summed over all blocks."""
    stages: int = 1
    """How many of the next turns' loads are under way during a turn."""
    bytes: float = 0.0
    """Read from and written to device memory."""
    persistent: int = 0
    """Blocks a multiprocessor that the grid was cut for; 0: a block for each piece of work."""


Demands = Callable[[Problem, Config, Mapping[str, CompiledKernel], str], Sequence[Demand]]


def demands_of(
    problem: Problem, config: Config, kernels: Sequence[CompiledKernel], workload: str
) -> Sequence[Demand]:
    """The work of every kernel that this config launches for this problem, as `timed` workloads have it.

    Parameters
    ----------
    kernels : sequence of CompiledKernel
        With their instructions counted.
    workload : str
        One of `splashgen.cases.Case.timed`.

    Raises
    ------
    NotImplementedError
        If nobody has said what the kernels of this family do.
    """
    find: Demands = _module(config.family).demands
    return find(problem, config, {kernel.name: kernel for kernel in kernels}, workload)


def schedule_of(family: str) -> tuple[str, ...]:
    """The parameters of a family that change its speed and nothing else.

    Raises
    ------
    NotImplementedError
        If nobody has said what the kernels of this family do.
    """
    names: tuple[str, ...] = _module(family).SCHEDULE
    return names


def _module(family: str) -> ModuleType:
    try:
        return importlib.import_module(f"{__name__}.{family}")
    except ModuleNotFoundError as error:
        if error.name != f"{__name__}.{family}":  # a library that the module imports
            raise
        raise NotImplementedError(
            f"The kernels of the family {family!r} cannot be planned: splashgen.plan.demands does not say "
            "what they do. They can be tuned on the device itself with `splashgen tune`."
        ) from None
