"""How far a kernel may be from the truth: in proportion to the error that one rounding to its dtype costs."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from splashgen.problem import DType

__all__ = ["Verdict", "allowance", "error", "judge"]

_OUTPUT_FACTOR = 1.25
_GRADIENT_FACTOR = 2.0
_FLOORS = {
    # Low precision: an eighth of the dtype's epsilon, less than a single rounding costs on average (0.2 ε).
    DType.BFLOAT16: (9.8e-4, 9.8e-4),
    DType.FLOAT16: (1.2e-4, 1.2e-4),
    # Sums of n products and τ itself cost more here than one rounding: |scores| ≤ 50 are known to 50ε = 6e-6.
    # Gradients use P twice and subtract two sums of like size, hence three times as much.
    DType.FLOAT32: (1e-5, 3e-5),
    DType.FLOAT64: (1e-11, 1e-10),
}
"""(output, gradient): no budget is smaller."""

_ALPHA_FLOORS = {DType.BFLOAT16: 0.15, DType.FLOAT16: 2e-2, DType.FLOAT32: 1e-3, DType.FLOAT64: 1e-8}
"""dα is one number summed over a head: its rounded error may be small by luck, so the floor decides.
The sum itself may be near zero by luck too, so errors of it are relative to the size of its terms."""

_QUIET_GRADIENT = 1e-3
"""Gradients whose root mean square lies below this are judged as if it were this. Where every row attends to
one key, dQ and dK are exactly zero, and a relative error would measure nothing but rounding noise."""
_QUIET_FACTOR = 2.0
"""Their error and the rounded one are one draw each of the same noise: the budget is so much wider."""


@dataclass(frozen=True)
class Verdict:
    """Whether results are near enough to the truth.

    Attributes
    ----------
    errors : mapping of str to (float, float)
        For each result its Frobenius relative error and its budget.
    faults : tuple of str
        What is wrong, a clause each.
    """

    errors: Mapping[str, tuple[float, float]]
    faults: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        if self.faults:
            return f"{'; '.join(self.faults)}."
        within = ", ".join(
            f"{name} {error:.2g} of {budget:.2g}" for name, (error, budget) in self.errors.items()
        )
        return f"Every result is within its budget: {within}."


def error(
    actual: torch.Tensor, truth: torch.Tensor, *, quiet: float = 0.0, size: torch.Tensor | None = None
) -> float:
    """‖actual - truth‖ / ‖truth‖ (Frobenius), in float64.

    Parameters
    ----------
    actual, truth : torch.Tensor
        Of one shape. Where the truth is not finite, `actual` must not be either; such elements are left out.
    quiet : float
        A root mean square that the truth's is taken to have at least.
    size : torch.Tensor, optional
        Of the truth's shape: its norm takes the place of the truth's where it is larger.

    Returns
    -------
    float
        Infinity if `actual` is not finite where the truth is, or the other way round; 0 for equal tensors.
    """
    actual, truth = actual.detach().double(), truth.detach().double()
    finite = truth.isfinite()
    if not torch.equal(actual.isfinite(), finite):
        return math.inf
    actual, truth = actual[finite], truth[finite]
    distance = float((actual - truth).norm())
    norm = max(float(truth.norm()), quiet * math.sqrt(truth.numel()))
    if size is not None:
        norm = max(norm, float(size.double()[finite].norm()))
    return distance / norm if norm else (math.inf if distance else 0.0)


def allowance(name: str, dtype: DType, rounded_error: float) -> float:
    """The largest error that the result `name` may have.

    Parameters
    ----------
    name : str
        `out`, or a gradient: a name that starts with d.
    dtype : DType
        The element type of the problem.
    rounded_error : float
        The error of the same computation with one rounding where a kernel has to round.
    """
    output_floor, gradient_floor = _FLOORS[dtype]
    if name == "dalpha":
        return max(_GRADIENT_FACTOR * rounded_error, _ALPHA_FLOORS[dtype])
    if name.startswith("d"):
        return max(_GRADIENT_FACTOR * rounded_error, gradient_floor)
    return max(_OUTPUT_FACTOR * rounded_error, output_floor)


def judge(
    outputs: Mapping[str, torch.Tensor],
    truth: Mapping[str, torch.Tensor],
    rounded: Mapping[str, torch.Tensor],
) -> Verdict:
    """Compare a kernel's results with the truth; the dtype is that of its `out`.

    Parameters
    ----------
    outputs : mapping of str to torch.Tensor
        The kernel's results.
    truth, rounded : mapping of str to torch.Tensor
        Float64, exact and rounded once; every name in `truth` is judged, but for one that ends with `_size`:
        by it the errors of the name before are measured.
    """
    errors: dict[str, tuple[float, float]] = {}
    faults: list[str] = []
    spread = _spread(truth["out"])
    dtype = DType(str(outputs["out"].dtype).removeprefix("torch."))
    for name, true in truth.items():
        if name.endswith("_size"):
            continue
        size = truth.get(f"{name}_size")
        actual = outputs.get(name)
        if actual is None or actual.shape != true.shape:
            shape = "missing" if actual is None else f"of shape {tuple(actual.shape)}"
            errors[name] = (math.inf, 0.0)
            faults.append(f"{name} is {shape}, but must have the shape {tuple(true.shape)}")
            continue
        gradient = name.startswith("d")
        quiet = _QUIET_GRADIENT if gradient else 0.0
        budget = allowance(name, dtype, error(rounded[name], true, quiet=quiet, size=size))
        if gradient:
            budget *= _QUIET_FACTOR if _is_quiet(true, quiet) else spread
        found = error(actual, true, quiet=quiet, size=size)
        errors[name] = (found, budget)
        if math.isinf(found):
            faults.append(f"{name} is not finite where it must be, or the other way round")
        elif not found <= budget:
            faults.append(f"{name} is off by {found:.2g}, where {budget:.2g} is allowed")
    return Verdict(errors, tuple(faults))


def _spread(out: torch.Tensor) -> float:
    """How much wider gradients of few query rows are judged: their error and the rounded one are two draws.

    Both are sums over rows, in each of which a handful of keys may count and δ errs once for all of them: of
    a single row the smaller draw may be small by luck, of many the two are alike.
    """
    rows = out.numel() // max(out.shape[-1], 1)
    return 1.0 + 1.0 / math.sqrt(max(rows, 1))


def _is_quiet(truth: torch.Tensor, quiet: float) -> bool:
    finite = truth[truth.isfinite()]
    return bool(finite.numel()) and float(finite.norm()) < quiet * math.sqrt(finite.numel())
