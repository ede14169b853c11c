"""Attention in Triton against the float64 truth: every α, every mask, packed sequences, learned α.

The same tests run interpreted on the CPU, with short sequences, and on the GPU (`-m gpu`), with longer ones
and in bfloat16.
"""

from collections.abc import Callable, Collection
from typing import Any

import pytest
import torch
from attention_cases import NUMPY_IS_QUIET, SMALL, agree, draw, packed, problem_of, triton_kernel

from splashgen.alpha import AlphaClass

pytestmark = [NUMPY_IS_QUIET, pytest.mark.usefixtures("grain")]
BFLOAT16 = pytest.param("bfloat16", marks=pytest.mark.gpu)
COMPOSED = [
    ("causal",),
    ("window",),
    ("alibi",),
    ("key_padding",),
    ("attn_mask",),
    ("grouped",),
    ("causal", "window", "alibi", "grouped"),
    ("causal", "key_padding", "alibi"),
    ("window", "key_padding", "attn_mask", "grouped"),
    ("causal", "window", "alibi", "key_padding", "attn_mask", "grouped"),
]
PACKED = [
    (),
    ("causal",),
    ("causal", "grouped", "alibi"),
    ("window", "alibi"),
    ("window", "causal", "grouped"),
]


def names(features: tuple[str, ...]) -> str:
    return "-".join(features) or "full"


def with_each_grain(name: str, cases: Collection[Any], quick: Callable[[Any], bool]) -> pytest.MarkDecorator:
    """Each case with lists of whole tiles, and, `quick` ones aside, slowly with lists of single rows."""

    def id_of(case: Any) -> str:
        return case if isinstance(case, str) else names(case)

    both = [pytest.param("tiles", case, id=f"tiles-{id_of(case)}") for case in cases]
    for case in cases:
        marks = () if quick(case) else (pytest.mark.slow,)
        both.append(pytest.param("rows", case, id=f"rows-{id_of(case)}", marks=marks))
    return pytest.mark.parametrize(("grain", name), both, indirect=["grain"])


def on(features: tuple[str, ...]) -> dict[str, bool]:
    return dict.fromkeys(features, True)


def length(device: torch.device) -> int:
    """Short where tiles are interpreted, with a partial tile at the end."""
    return 50 if device.type == "cpu" else 700


def usual(device: torch.device) -> str:
    """bfloat16 is wrong in Triton's interpreter."""
    return "float32" if device.type == "cpu" else "bfloat16"


@pytest.mark.parametrize("dtype", ["float32", pytest.param("float16", marks=pytest.mark.slow), BFLOAT16])
@with_each_grain("alpha", [member.value for member in AlphaClass], {"1.5", "2", "generic"}.__contains__)
def test_every_alpha(alpha: str, dtype: str, device: torch.device) -> None:
    if dtype == "bfloat16" and device.type == "cpu":
        pytest.skip("bfloat16 is wrong in Triton's interpreter")
    problem = problem_of(alpha, dtype, causal=True)
    agree(triton_kernel(problem, device, **SMALL), draw(problem, length(device), device=device))


@with_each_grain("features", COMPOSED, lambda features: len(features) > 1)
def test_every_mask(features: tuple[str, ...], device: torch.device) -> None:
    problem = problem_of("1.5", usual(device), **on(features))
    kernel = triton_kernel(problem, device, **SMALL)
    agree(kernel, draw(problem, length(device), batch=2, device=device, seed=1))


@with_each_grain("features", PACKED, lambda features: len(features) > 2)
def test_packed_sequences(features: tuple[str, ...], device: torch.device) -> None:
    problem = problem_of("1.5", usual(device), varlen=True, **on(features))
    kernel = triton_kernel(problem, device, **SMALL)
    stretch = length(device) // 50
    agree(kernel, packed(problem, [33 * stretch, 0, 1, 20], [40, 5, 0, 35 * stretch], device=device))


@pytest.mark.parametrize("alpha", [1.005, 1.01, 1.35, 1.9])
def test_learned_alpha(alpha: float, device: torch.device) -> None:
    problem = problem_of("generic", "float32", causal=True, learned_alpha=True)
    per_head = torch.tensor([alpha, alpha + 0.005], device=device)
    kernel = triton_kernel(problem, device, **SMALL)
    agree(kernel, draw(problem, length(device), device=device, alpha=per_head))
