"""Dispatch that answers with the kernel a test wants, to compiled and to eager calls alike."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from attention_cases import TRITON
from operator_cases import kernel_of, small

from splashgen import dispatch, plans
from splashgen.kernel import Kernel
from splashgen.operators import arguments, recomputing, saving
from splashgen.problem import Problem

Dispatch = Callable[..., None]


@pytest.fixture
def dispatch_to(monkeypatch: pytest.MonkeyPatch) -> Iterator[Dispatch]:
    """Call it with a family and parameters of its config; calling it again is like tuning anew."""

    def decide(family: str, **config: Any) -> None:
        def found(problem: Problem, device: torch.device, *regime: Any) -> Kernel:
            return kernel_of(family, problem, device, **{**small(family), **config})

        dispatch.clear()
        for module in (arguments, plans):
            monkeypatch.setattr(module, "kernel_for", found)

    torch._dynamo.reset()
    yield decide
    torch._dynamo.reset()
    dispatch.clear()


@pytest.fixture(
    params=[
        ("attention_torch", "cpu"),
        (TRITON, "cpu"),
        pytest.param((TRITON, "cuda"), marks=pytest.mark.gpu),
    ],
    ids=" on ".join,
)
def device(request: pytest.FixtureRequest, dispatch_to: Dispatch) -> torch.device:
    """Each family where it runs; dispatch answers with its kernels, of small tiles."""
    family, kind = request.param
    if family == TRITON and kind == "cpu" and torch.cuda.is_available():
        pytest.skip("Triton compiles for the GPU in this process")
    dispatch_to(family)
    return torch.device(kind)


@pytest.fixture
def forwards(monkeypatch: pytest.MonkeyPatch) -> list[Kernel]:
    """The kernels whose forward pass the operators have called, in order."""
    called: list[Kernel] = []

    def counted(kernel: Kernel, given: arguments.Arguments) -> list[torch.Tensor]:
        called.append(kernel)
        return plain(kernel, given)

    plain = recomputing.forward
    for module in (recomputing, saving):
        monkeypatch.setattr(module, "forward", counted)
    return called
