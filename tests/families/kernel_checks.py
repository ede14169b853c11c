"""A problem, a config and a workload → how far each result is from the float64 truth."""

from typing import Any

import torch

from splashgen.alpha import AlphaClass
from splashgen.budget import error
from splashgen.cases import case_for
from splashgen.families import family_named
from splashgen.gpu import CPU
from splashgen.kernel import Kernel, build
from splashgen.problem import DType, Operation, Problem

DEVICE = torch.device("cpu")


def problem_of(operation: Operation, alpha: str, dtype: str, seq_len: int, **rest: Any) -> Problem:
    """A problem from plain values; attention has head dims 16 and 24 unless told otherwise."""
    if operation is Operation.ATTENTION:
        rest = {"head_dim": 16, "value_dim": 24, **rest}
    return Problem(operation, AlphaClass(alpha), DType(dtype), seq_len, **rest)


def kernel_of(family: str, problem: Problem, **config: Any) -> Kernel:
    """The family's default kernel with some parameters changed."""
    chosen = family_named(family)
    return build(problem, chosen.space.member({**chosen.default(problem, CPU).as_dict(), **config}))


def errors(
    kernel: Kernel, problem: Problem, workload: str, seed: int = 0, device: torch.device = DEVICE
) -> dict[str, float]:
    """The relative error of the output and of every gradient; gradients near zero count as of size 0.01."""
    case = case_for(problem.operation)
    inputs = case.draw(problem, workload, seed, device)
    truth, results = case.truth(problem, inputs), case.run(kernel, inputs)
    assert results.keys() == {name for name in truth if not name.endswith("_size")}
    return {
        name: error(result, truth[name], quiet=1e-2, size=truth.get(f"{name}_size"))
        for name, result in results.items()
    }
