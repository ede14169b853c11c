"""Row-wise entmax under torch.compile: one forward, whose output is all that is kept."""

import pytest
import torch

import splashgen
from splashgen import dispatch, rowwise
from splashgen.kernel import Kernel
from splashgen.operators import entmax
from splashgen.problem import Problem

pytestmark = pytest.mark.filterwarnings("ignore:No config is tuned")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Problem]:
    """The problems that the operators look a kernel up for, in order."""
    problems: list[Problem] = []

    def counted(problem: Problem, *rest: torch.device) -> Kernel:
        problems.append(problem)
        return dispatch.kernel_for(problem, *rest)

    monkeypatch.setattr(entmax, "kernel_for", counted)
    return problems


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
@pytest.mark.parametrize("alpha", [2.0, 1.7])
def test_bits_and_memory_are_eager_modes(alpha: float, device: str, asked: list[Problem]) -> None:
    x = torch.randn(5, 70, device=device, requires_grad=True)
    weights = torch.randn(5, 70, device=device)
    eager = lambda x: rowwise.entmax(x, alpha)  # noqa: E731
    torch._dynamo.reset()
    kept: list[list[int]] = []
    results = []
    for function in (torch.compile(eager, fullgraph=True, backend="aot_eager"), eager):
        kept.append([])
        hooks = lambda tensor, seen=kept[-1]: (seen.append(tensor.numel()), tensor)[1]  # noqa: E731
        with torch.autograd.graph.saved_tensors_hooks(hooks, lambda tensor: tensor):
            y = function(x)
        results.append([y, *torch.autograd.grad((y * weights).sum(), x)])
    assert all(map(torch.equal, *results))
    assert [problem.training for problem in asked] == [True, True], "forward, then backward"
    assert kept[0].count(x.numel()) == kept[1].count(x.numel()) == 1


def test_without_a_gradient_the_inference_config_is_taken(asked: list[Problem]) -> None:
    x = torch.randn(2, 9, requires_grad=True)
    torch._dynamo.reset()
    with torch.no_grad():
        torch.compile(splashgen.sparsemax, fullgraph=True, backend="aot_eager")(x)
    assert [problem.training for problem in asked] == [False]
