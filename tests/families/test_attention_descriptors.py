"""Attention whose unmasked tiles are loaded by descriptor: the numbers are those of loads by pointer.

On a GPU it is the default where it was measured to be faster, so all other tests run it there too.
"""

import math
from typing import Any

import pytest
import torch
from attention_cases import (
    CASE,
    NUMPY_IS_QUIET,
    SMALL,
    agree,
    draw,
    packed,
    problem_of,
    skip_without_descriptors,
    triton_kernel,
)

from splashgen.families import family_named
from splashgen.gpu import KNOWN_GPUS
from splashgen.kernel import Kernel
from splashgen.problem import Problem

pytestmark = NUMPY_IS_QUIET


def kernel_of(problem: Problem, device: torch.device) -> Kernel:
    skip_without_descriptors(device)
    return triton_kernel(problem, device, **SMALL, loads="descriptors", bound_loads="descriptors")


@pytest.mark.parametrize(
    ("alpha", "features"),
    [
        ("2", {"causal": True}),
        ("generic", {"window": True}),
        ("1.5", {"grouped": True, "alibi": True, "causal": True}),
        ("1.5", {"head_dim": 20, "value_dim": 7}),
    ],
    ids=str,
)
def test_every_mask(alpha: str, features: dict[str, Any], device: torch.device) -> None:
    problem = problem_of(alpha, **features)
    agree(kernel_of(problem, device), draw(problem, 70, 90, device=device))


@pytest.mark.parametrize("features", [{"causal": True}, {"grouped": True, "head_dim": 20}], ids=str)
def test_packed_sequences(features: dict[str, Any], device: torch.device) -> None:
    """The tile after a sequence's last whole one reaches into the next sequence."""
    problem = problem_of(varlen=True, **features)
    agree(kernel_of(problem, device), packed(problem, [70, 0, 50], [90, 3, 50], device=device))


def test_the_next_sequence_s_nan_stays_there(device: torch.device) -> None:
    """A tile of the first sequence ends among the keys of the second, which are not a number."""
    problem = problem_of(varlen=True, causal=True)
    inputs = packed(problem, [40, 20], [50, 30], device=device)
    for name in ("k", "v"):
        inputs[name][50:] = math.nan
    results = CASE.run(kernel_of(problem, device), inputs)
    assert all(results[name][:40].isfinite().all() for name in ("out", "dq", "dk", "dv"))


@pytest.mark.parametrize(("n_q", "n_k"), [(5, 0), (0, 5), (1, 1)])
def test_next_to_nothing(n_q: int, n_k: int, device: torch.device) -> None:
    problem = problem_of(causal=True)
    agree(kernel_of(problem, device), draw(problem, n_q, n_k, device=device))


def test_any_strides(device: torch.device) -> None:
    """The copy engine takes neither strides of zero nor rows that begin anywhere: such tensors are copied."""
    problem = problem_of(causal=True)
    inputs = draw(problem, 100, device=device)
    inputs["k"] = inputs["k"][:, :1].expand(-1, 2, -1, -1)
    inputs["v"] = inputs["v"].transpose(1, 2).contiguous().transpose(1, 2)
    inputs["q"] = torch.randn(1, 2, 100, 33, device=device)[..., :32]
    agree(kernel_of(problem, device), inputs)


def test_who_loads_by_descriptor() -> None:
    """Training in 16 bits on Hopper, where no mask is read by every tile; binaries take pointers alone."""
    family = family_named("attention_triton")
    for slug, features, expected in (
        ("h100", {}, "descriptors"),
        ("h100", {"key_padding": True}, "pointers"),
        ("h100", {"training": False}, "pointers"),
        ("a100", {}, "pointers"),
    ):
        problem = problem_of(dtype="bfloat16", **features)
        assert family.default(problem, KNOWN_GPUS[slug])["loads"] == expected
    default = family.default(problem_of(dtype="bfloat16"), KNOWN_GPUS["h100"])
    assert family.for_loaders(default)["loads"] == "pointers"
