"""Row-wise entmax on the CPU against the float64 truth."""

import math

import pytest
import torch
from kernel_checks import errors, kernel_of, problem_of

from splashgen import reference
from splashgen.alpha import AlphaClass
from splashgen.families import family_named
from splashgen.gpu import CPU
from splashgen.problem import Operation, Problem

FAMILY = "entmax_torch"


def problem(alpha: str, dtype: str = "float32", n: int = 300) -> Problem:
    return problem_of(Operation.ENTMAX, alpha, dtype, n)


def solvers(alpha: str) -> list[str]:
    p, family = problem(alpha), family_named(FAMILY)
    configs = (family.default(p, CPU).replace(solver=solver) for solver in family.space.choices["solver"])
    return [str(c["solver"]) for c in configs if family.space.objection(p, CPU, c) is None]


CASES = [(member.value, solver) for member in AlphaClass for solver in solvers(member.value)]


@pytest.mark.parametrize(("alpha", "solver"), CASES)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-13), ("float32", 3e-6)])
def test_every_alpha_and_solver(alpha: str, solver: str, dtype: str, tolerance: float) -> None:
    for n in (1, 2, 33, 300):
        p = problem(alpha, dtype, n)
        kernel = kernel_of(FAMILY, p, solver=solver)
        for workload in ("gaussian", "gaussian6", "ragged", "ties"):
            for name, value in errors(kernel, p, workload).items():
                assert value < tolerance, (n, workload, name)


@pytest.mark.parametrize(("alpha", "solver"), CASES)
def test_the_default_device_does_not_matter(alpha: str, solver: str) -> None:
    kernel = kernel_of(FAMILY, problem(alpha), solver=solver)
    given = () if kernel.problem.alpha.alpha else (torch.tensor([1.35]),)
    x, dy = torch.randn(2, 4, 50, generator=torch.Generator().manual_seed(0))
    y, saved = kernel.forward(x, *given)
    dx = kernel.backward(dy, saved, *given)
    with torch.device("meta"):
        again, saved = kernel.forward(x, *given)
        assert torch.equal(again, y) and torch.equal(kernel.backward(dy, saved, *given), dx)


def test_sorting_is_for_alpha_with_a_closed_form() -> None:
    assert {solver for alpha, solver in CASES if alpha in ("4/3", "generic")} == {"norm", "bisection"}
    assert ("2", "sort") in CASES and ("1.5", "sort") in CASES


@pytest.mark.parametrize("alpha", [1.01, 1.1, 1.6, 1.9, 2.0])
@pytest.mark.parametrize("solver", ["norm", "bisection"])
def test_alpha_at_run_time(alpha: float, solver: str) -> None:
    kernel = kernel_of(FAMILY, problem("generic", "float64"), solver=solver)
    x = 3.0 * torch.randn(4, 200, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    y, _ = kernel.forward(x, torch.tensor([alpha], dtype=torch.float64))
    torch.testing.assert_close(y, reference.entmax(x, alpha), rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize(("alpha", "solver"), CASES)
def test_empty_and_poisoned_rows(alpha: str, solver: str) -> None:
    kernel = kernel_of(FAMILY, problem(alpha), solver=solver, chunk=16384)
    given = (torch.tensor([1.3]),) if alpha == "generic" else ()
    x = torch.randn(6, 40, generator=torch.Generator().manual_seed(1))
    clean, _ = kernel.forward(x, *given)
    x[1], x[2, 5], x[4, 7] = -math.inf, math.nan, math.inf
    y, saved = kernel.forward(x, *given)
    assert torch.equal(y[1], torch.zeros(40))
    assert y[2].isnan().any() and y[4].isnan().any()
    assert torch.equal(y[[0, 3, 5]], clean[[0, 3, 5]])
    assert torch.equal(kernel.backward(torch.ones(6, 40), saved, *given)[1], torch.zeros(40))


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (0, 0)])
def test_nothing_to_do(shape: tuple[int, int]) -> None:
    kernel = kernel_of(FAMILY, problem("1.5"))
    y, saved = kernel.forward(torch.empty(shape))
    assert y.shape == kernel.backward(torch.empty(shape), saved).shape == shape


@pytest.mark.parametrize("alpha", ["2", "1.5", "1.2"])
def test_long_flat_rows_sum_to_one_in_float32(alpha: str) -> None:
    """The hardest rows for float32: every entry is near τ's own rounding."""
    x = 1e-4 * torch.randn(2, 100_000, generator=torch.Generator().manual_seed(2))
    y, _ = kernel_of(FAMILY, problem(alpha)).forward(x)
    torch.testing.assert_close(y.double().sum(-1), torch.ones(2, dtype=torch.float64), rtol=1e-5, atol=0.0)


def test_gradcheck() -> None:
    kernel = kernel_of(FAMILY, problem("4/3", "float64"))

    class Entmax(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            y, saved = kernel.forward(x)
            ctx.save_for_backward(*saved)
            return y

        @staticmethod
        def backward(ctx, dy):
            return kernel.backward(dy, ctx.saved_tensors)

    x = torch.randn(
        3, 20, dtype=torch.float64, generator=torch.Generator().manual_seed(3), requires_grad=True
    )
    assert torch.autograd.gradcheck(Entmax.apply, [x])
