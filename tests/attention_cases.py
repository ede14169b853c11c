"""Attention problems of any shape for the tests, and their verdict against the float64 truth."""

from typing import Any

import pytest
import torch

from splashgen.alpha import AlphaClass
from splashgen.budget import Verdict, judge
from splashgen.cases import case_for
from splashgen.cases.features import draw_features
from splashgen.families import family_named
from splashgen.gpu import detect
from splashgen.kernel import Kernel, build
from splashgen.problem import DType, Operation, Problem
from splashgen.workloads import Shape

TRITON = "attention_triton"
SMALL = {"block_m": 32, "block_n": 32, "bound_m": 64, "bound_n": 64}
"""Tiles of 32 by 32: a short sequence has full, partial and skipped ones."""

NUMPY_IS_QUIET = pytest.mark.filterwarnings(
    "ignore::RuntimeWarning:triton.runtime.interpreter",
    "ignore::DeprecationWarning:triton.runtime.interpreter",
)
"""The interpreter computes with numpy, which warns of each log2(0) and inf - inf."""

CASE = case_for(Operation.ATTENTION)


def problem_of(alpha: str = "1.5", dtype: str = "float32", **rest: Any) -> Problem:
    """A problem from plain values, with head dims 32 unless told otherwise."""
    rest = {"head_dim": 32, "value_dim": rest.get("head_dim", 32), **rest}
    return Problem(Operation.ATTENTION, AlphaClass(alpha), DType(dtype), seq_len=0, **rest)


def skip_without_descriptors(device: torch.device) -> None:
    """On a CPU the interpreter has them."""
    if device.type == "cuda" and torch.cuda.get_device_capability(device) < (9, 0):
        pytest.skip("descriptors need the copy engine of compute capability 9.0")


def triton_kernel(problem: Problem, device: torch.device, **config: Any) -> Kernel:
    """The Triton family's kernel: its default with some parameters changed."""
    family = family_named(TRITON)
    chosen = {**family.default(problem, detect(device)).as_dict(), **config}
    return build(problem, family.space.member(chosen))


def draw(
    problem: Problem,
    n_q: int,
    n_k: int | None = None,
    *,
    device: torch.device,
    batch: int = 1,
    heads: int = 2,
    gain: float = 2.0,
    seed: int = 0,
    **features: Any,
) -> dict[str, Any]:
    """Inputs of `CASE`: scores are N(0, gain²), every mask is drawn, and `features` replace drawn ones."""
    n_k = n_q if n_k is None else n_k
    generator = torch.Generator().manual_seed(seed)
    kv_heads = heads // 2 if problem.grouped else heads
    shape = Shape(batch, heads, kv_heads, n_q, n_k, problem.head_dim, problem.value_dim)
    drawn = draw_features(problem, shape, generator, device) | features
    dtype = getattr(torch, problem.dtype.value)

    def normal(heads: int, length: int, dim: int) -> torch.Tensor:
        return torch.randn(batch, heads, length, dim, generator=generator)

    tensors = {
        "q": normal(heads, n_q, problem.head_dim) * gain,
        "k": normal(kv_heads, n_k, problem.head_dim),
        "v": normal(kv_heads, n_k, problem.value_dim),
        "dout": normal(heads, n_q, problem.value_dim),
    }
    tensors = {name: tensor.to(device=device, dtype=dtype) for name, tensor in tensors.items()}
    return {**tensors, "scale": problem.head_dim**-0.5, "features": drawn}


def packed(problem: Problem, lengths_q: list[int], lengths_k: list[int], **options: Any) -> dict[str, Any]:
    """Packed sequences of these lengths, as `draw` draws them."""
    inputs = draw(problem, sum(lengths_q), sum(lengths_k), **options)
    device = options["device"]
    for name in ("q", "k", "v", "dout"):
        inputs[name] = inputs[name][0].transpose(0, 1).contiguous()
    for side, lengths in (("q", lengths_q), ("k", lengths_k)):
        offsets = torch.tensor([0, *lengths]).cumsum(0)
        inputs["features"][f"cu_seqlens_{side}"] = offsets.to(device=device, dtype=torch.int32)
        inputs["features"][f"max_seqlen_{side}"] = max(lengths)
    return inputs


def verdict(kernel: Kernel, inputs: dict[str, Any]) -> Verdict:
    """Output and gradients of a kernel against the truth, within the budget of docs/accuracy.md."""
    truth, rounded = CASE.truth(kernel.problem, inputs), CASE.rounded_once(kernel.problem, inputs)
    return judge(CASE.run(kernel, inputs), truth, rounded)


def agree(kernel: Kernel, inputs: dict[str, Any]) -> None:
    """Assert that the verdict is good."""
    found = verdict(kernel, inputs)
    assert found.passed, f"«{kernel.problem}» with {kernel.config}: {found.sentence}"
