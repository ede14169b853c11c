"""The attention case: its inputs, its truth, and how a rendered module is called.

Gate workloads are small: 2 heads (4 that share 2 where the problem is grouped), and two batches up to length
1024. `timed:` ones have the size that timings are reported for: 32768 tokens of 16 heads on a GPU, one batch
of 4 heads on a CPU. Of a `varlen` problem, `seq_len` bounds the longest sequence: the gate's sequences are a
random cut of it, those timed are half of it or longer.
"""

from dataclasses import dataclass, replace
from typing import Any

import torch

from splashgen.cases import Case, Inputs, Outputs
from splashgen.cases.features import draw_features, large_alpha, reference_options
from splashgen.kernel import Kernel
from splashgen.problem import Problem
from splashgen.reference import attention_gradients, attention_varlen_gradients
from splashgen.store.entry import Regime
from splashgen.workloads import WORKLOADS, Shape, attention_tensors, ragged_lengths

__all__ = ["CASE"]

_TIMED = "timed:"
_TIMED_TOKENS = 32768
_SMALL = 1024


@dataclass(frozen=True)
class _Lengths:
    """Query and key lengths of each sequence; one pair unless packed."""

    batch: int
    q: list[int]
    k: list[int]


def _draw(problem: Problem, workload: str, seed: int, device: torch.device) -> Inputs:
    timed = workload.startswith(_TIMED)
    workload = workload.removeprefix(_TIMED)
    generator = torch.Generator().manual_seed(seed)
    lengths = (
        _timed_lengths(problem, device, generator) if timed else _gate_lengths(problem, workload, generator)
    )
    heads = (16 if device.type != "cpu" else 4) if timed else (4 if problem.grouped else 2)
    shape = Shape(
        lengths.batch,
        heads,
        heads // 2 if problem.grouped else heads,
        sum(lengths.q),
        sum(lengths.k),
        problem.head_dim,
        problem.value_dim,
    )
    masked = replace(shape, batch=max(shape.batch, len(lengths.q)), n_q=max(lengths.q), n_k=max(lengths.k))
    features = draw_features(problem, masked, generator, device)
    if problem.key_padding and workload == "ragged":
        features["key_padding"][-1] = False  # a batch with nothing to attend to
    large = large_alpha(seed)
    if "alpha" in features and large and not timed:
        features["alpha"][-1] = large
    if problem.varlen:
        features |= _packing(lengths, device)
    dtype = getattr(torch, problem.dtype.value)
    tensors = {
        name: _laid_out(tensor, problem.varlen, workload).to(device=device, dtype=dtype)
        for name, tensor in attention_tensors(workload, shape, seed).items()
    }
    return {**tensors, "scale": problem.head_dim**-0.5, "features": features}


def _gate_lengths(problem: Problem, workload: str, generator: torch.Generator) -> _Lengths:
    n = problem.seq_len
    if problem.varlen:
        q = _cut(n, 3, generator)
        return _Lengths(1, q, _cut(n, 3, generator) if workload == "ragged" else q)
    n_q, n_k = ragged_lengths(n, generator) if workload == "ragged" else (n, n)
    return _Lengths(2 if n <= _SMALL else 1, [n_q], [n_k])


def _timed_lengths(problem: Problem, device: torch.device, generator: torch.Generator) -> _Lengths:
    n = problem.seq_len
    batch = max(1, _TIMED_TOKENS // n) if device.type != "cpu" else 1
    if problem.varlen:
        lengths = torch.randint(max(n // 2, 1), n + 1, (batch,), generator=generator).tolist()
        return _Lengths(1, lengths, lengths)
    return _Lengths(batch, [n], [n])


def _cut(total: int, parts: int, generator: torch.Generator) -> list[int]:
    """A random cut of `total`; parts may be empty."""
    cuts = torch.randint(0, total + 1, (parts - 1,), generator=generator).sort().values.tolist()
    return [last - first for first, last in zip([0, *cuts], [*cuts, total], strict=True)]


def _packing(lengths: _Lengths, device: torch.device) -> dict[str, Any]:
    def cumulative(parts: list[int]) -> torch.Tensor:
        return torch.tensor([0, *parts]).cumsum(0).to(device=device, dtype=torch.int32)

    return {
        "cu_seqlens_q": cumulative(lengths.q),
        "cu_seqlens_k": cumulative(lengths.k),
        "max_seqlen_q": max(lengths.q),
        "max_seqlen_k": max(lengths.k),
    }


def _laid_out(tensor: torch.Tensor, varlen: bool, workload: str) -> torch.Tensor:
    """(1, heads, total, d) → (total, heads, d) where packed; `ragged` has lengths before heads in memory."""
    if varlen:
        return tensor[0].transpose(0, 1).contiguous()
    return tensor.transpose(1, 2).contiguous().transpose(1, 2) if workload == "ragged" else tensor


def _reference(problem: Problem, inputs: Inputs, rounded_to: torch.dtype | None) -> Outputs:
    q, k, v = inputs["q"], inputs["k"], inputs["v"]
    dout = inputs["dout"] if problem.training else None
    features = inputs["features"]
    options = reference_options(problem, features)
    if not problem.learned_alpha and isinstance(options["alpha"], torch.Tensor):
        options["alpha"] = float(options["alpha"])  # a tensor would ask for its gradient
    options |= {"scale": inputs["scale"], "rounded_to": rounded_to}
    if problem.varlen:
        packing = features["cu_seqlens_q"], features["cu_seqlens_k"]
        return attention_varlen_gradients(q, k, v, dout, *packing, **options)
    return attention_gradients(q, k, v, dout, **options)


def _truth(problem: Problem, inputs: Inputs) -> Outputs:
    return _reference(problem, inputs, None)


def _rounded_once(problem: Problem, inputs: Inputs) -> Outputs:
    return _reference(problem, inputs, inputs["q"].dtype)


def _forward(kernel: Kernel, inputs: Inputs) -> Any:
    return kernel.forward(inputs["q"], inputs["k"], inputs["v"], inputs["scale"], **inputs["features"])


def _backward(kernel: Kernel, inputs: Inputs, result: Any) -> Any:
    assert kernel.backward is not None, "Only training problems have a backward."
    q, k, v, scale = inputs["q"], inputs["k"], inputs["v"], inputs["scale"]
    return kernel.backward(inputs["dout"], q, k, v, scale, result[1], **inputs["features"])


def _run(kernel: Kernel, inputs: Inputs) -> Outputs:
    result = _forward(kernel, inputs)
    if kernel.backward is None:
        return {"out": result[0]}
    gradients = _backward(kernel, inputs, result)
    names = ("dq", "dk", "dv", "dalpha")[: len(gradients)]
    return {"out": result[0], **dict(zip(names, gradients, strict=True))}


def _least_work(problem: Problem, inputs: Inputs) -> tuple[int, int]:
    """Every input is read once a pass, and every visible score is computed; masks may leave few of them."""
    q, k, v = inputs["q"], inputs["k"], inputs["v"]
    read = q.nbytes + k.nbytes + v.nbytes
    if problem.training:
        read += read + inputs["dout"].nbytes
    if problem.varlen or problem.window or problem.key_padding or problem.attn_mask:
        return read, 0
    scores = q.shape[0] * q.shape[1] * q.shape[2] * k.shape[2]
    return read, scores * problem.head_dim // (2 if problem.causal else 1)


CASE = Case(
    workloads=tuple(WORKLOADS),
    timed={
        Regime.MIXED: (f"{_TIMED}gaussian", f"{_TIMED}clustered2"),
        Regime.DENSE: (f"{_TIMED}gaussian",),
        Regime.SPARSE: (f"{_TIMED}clustered2",),
    },
    draw=_draw,
    truth=_truth,
    rounded_once=_rounded_once,
    run=_run,
    forward=_forward,
    backward=_backward,
    least_work=_least_work,
)
