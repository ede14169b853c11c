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
        pytest.param((TRITON, "cpu"), marks=pytest.mark.slow),
        pytest.param((TRITON, "cuda"), marks=pytest.mark.gpu),
    ],
    ids=" on ".join,
)
def place(request: pytest.FixtureRequest) -> tuple[str, str]:
    """Each family where it runs."""
    if request.param == (TRITON, "cpu") and torch.cuda.is_available():
        pytest.skip("Triton compiles for the GPU in this process")
    family, kind = request.param
    return family, kind


@pytest.fixture
def family(place: tuple[str, str]) -> str:
    """Whose kernels are called."""
    return place[0]


@pytest.fixture
def device(place: tuple[str, str], dispatch_to: Dispatch) -> torch.device:
    """Where they run; dispatch answers with them, with small tiles."""
    dispatch_to(place[0])
    return torch.device(place[1])


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
