"""Dispatch that answers with the kernel a test wants, to compiled and to eager calls alike."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from operator_cases import kernel_of, small

from splashgen import dispatch, plans
from splashgen.kernel import Kernel
from splashgen.operators import arguments
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
