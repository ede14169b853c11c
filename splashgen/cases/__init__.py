"""Reference cases: for each operation, how inputs are drawn, what the truth is, and how a kernel is called.

Each module declares one `CASE`; `case_for` finds it by the operation's name.
"""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from splashgen.problem import Operation, Problem
from splashgen.store.entry import Regime

if TYPE_CHECKING:
    import torch

    from splashgen.kernel import Kernel

__all__ = ["Case", "Inputs", "Outputs", "case_for", "check_regime"]

Inputs = Mapping[str, Any]
"""Named tensors and numbers: what `Case.draw` makes and the other functions take."""

Outputs = Mapping[str, "torch.Tensor"]
"""Named results: `out`, and in training the gradients `dq`, `dk`, `dv` or `dx`."""


@dataclass(frozen=True)
class Case:
    """What the gate and the timer need to know of an operation."""

    workloads: tuple[str, ...]
    """What the gate draws: small inputs, the adversarial ones among them."""
    timed: Mapping[Regime, tuple[str, ...]]
    """What timings draw in each regime that the operation has: inputs of full size, no part of `workloads`.
    Every operation has the mixture."""
    draw: Callable[[Problem, str, int, "torch.device"], Inputs]
    """(problem, workload, seed, device) → inputs of `problem.seq_len` elements."""
    truth: Callable[[Problem, Inputs], Outputs]
    """The result in float64."""
    rounded_once: Callable[[Problem, Inputs], Outputs]
    """The result in float64 with one rounding to the dtype: it defines the error budget."""
    run: Callable[["Kernel", Inputs], Outputs]
    """Forward and, in training, backward of a kernel."""
    forward: Callable[["Kernel", Inputs], Any]
    """The forward alone, for timing; its result goes to `backward`."""
    backward: Callable[["Kernel", Inputs, Any], Any]
    """The backward alone, for timing."""
    least_work: Callable[[Problem, Inputs], tuple[int, int]]
    """Bytes to read and multiply-adds of matrix products that no exact kernel can do without."""


def case_for(operation: Operation) -> Case:
    """The reference case of an operation."""
    case: Case = importlib.import_module(f"{__name__}.{operation.value}").CASE
    return case


def check_regime(operation: Operation, regime: Regime) -> None:
    """Refuse a regime that is not timed for an operation.

    Raises
    ------
    ValueError
        If the operation does not have it.
    """
    known = case_for(operation).timed
    if regime not in known:
        raise ValueError(
            f"sparsity is {regime.value!r}, but {operation.value} is tuned for "
            f"{', '.join(each.value for each in known)} scores only; leave it out."
        )
