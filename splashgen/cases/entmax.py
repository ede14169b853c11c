"""The row-wise entmax case: its inputs, its truth, and how a rendered module is called.

Gate workloads have 33 rows; `timed:` ones fill 2^24 elements on a GPU and 2^20 on a CPU.
"""

from typing import Any

import torch

from splashgen.alpha import AlphaClass
from splashgen.cases import Case, Inputs, Outputs
from splashgen.cases.features import large_alpha
from splashgen.kernel import Kernel
from splashgen.problem import Problem
from splashgen.reference import entmax
from splashgen.reference.rounding import known_sums, rounding
from splashgen.store.entry import Regime
from splashgen.workloads import ROW_WORKLOADS, entmax_scores

__all__ = ["CASE"]

_TIMED = "timed:"
_GATE_ROWS = 33


def _draw(problem: Problem, workload: str, seed: int, device: torch.device) -> Inputs:
    n, rows = problem.seq_len, _GATE_ROWS
    if workload.startswith(_TIMED):
        rows = max((1 << (20 if device.type == "cpu" else 24)) // n, 1)
    name = workload.removeprefix(_TIMED)
    dtype = getattr(torch, problem.dtype.value)
    x = entmax_scores(name, rows, n, seed).to(device=device, dtype=dtype)
    if name == "ragged":
        x = torch.cat([x, x[:, :3]], 1)[:, :n]  # rows that are longer in memory
    dy = torch.randn(rows, n, generator=torch.Generator().manual_seed(seed + 1)).to(x)
    features = {}
    if problem.alpha is AlphaClass.GENERIC:
        alpha = 1.35 if workload.startswith(_TIMED) else large_alpha(seed) or 1.35
        features["alpha"] = torch.tensor([alpha], device=device)
    return {"x": x, "dy": dy, "features": features}


def _reference(problem: Problem, inputs: Inputs, scores: torch.Tensor) -> dict[str, torch.Tensor]:
    alpha = problem.alpha.alpha or float(inputs["features"]["alpha"])
    x = scores.detach().requires_grad_(problem.training)  # not on the input itself
    out = entmax(x, alpha)
    if not problem.training:
        return {"out": out}
    (dx,) = torch.autograd.grad(out, x, inputs["dy"].double())
    return {"out": out.detach(), "dx": dx}


def _truth(problem: Problem, inputs: Inputs) -> Outputs:
    return _reference(problem, inputs, inputs["x"].double())


def _rounded_once(problem: Problem, inputs: Inputs) -> Outputs:
    """A row stays in registers: scaled scores are as good as a float32 is, and the results are rounded."""
    x = inputs["x"].double()
    known = torch.where(x.isfinite(), known_sums(inputs["x"].dtype)(x), x)
    round_once = rounding(inputs["x"].dtype)
    return {name: round_once(tensor) for name, tensor in _reference(problem, inputs, known).items()}


def _forward(kernel: Kernel, inputs: Inputs) -> Any:
    return kernel.forward(inputs["x"], **inputs["features"])


def _backward(kernel: Kernel, inputs: Inputs, result: Any) -> Any:
    assert kernel.backward is not None, "Only training problems have a backward."
    return kernel.backward(inputs["dy"], result[1], **inputs["features"])


def _run(kernel: Kernel, inputs: Inputs) -> Outputs:
    result = _forward(kernel, inputs)
    if kernel.backward is None:
        return {"out": result[0]}
    return {"out": result[0], "dx": _backward(kernel, inputs, result)}


def _least_work(problem: Problem, inputs: Inputs) -> tuple[int, int]:
    """The scores are read once, and in training the gradients."""
    return inputs["x"].nbytes + (inputs["dy"].nbytes if problem.training else 0), 0


CASE = Case(
    workloads=ROW_WORKLOADS,
    timed={Regime.MIXED: (f"{_TIMED}gaussian", f"{_TIMED}gaussian6")},
    draw=_draw,
    truth=_truth,
    rounded_once=_rounded_once,
    run=_run,
    forward=_forward,
    backward=_backward,
    least_work=_least_work,
)
