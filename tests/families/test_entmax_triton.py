"""Row-wise entmax in Triton against the float64 truth: interpreted where there is no GPU."""

import math

import pytest
import torch
from kernel_checks import kernel_of, problem_of

from splashgen import reference
from splashgen.alpha import AlphaClass
from splashgen.budget import error
from splashgen.families import family_named
from splashgen.gpu import KNOWN_GPUS
from splashgen.kernel import Kernel
from splashgen.problem import Operation, Problem
from splashgen.workloads import entmax_scores

pytest.importorskip("triton")

FAMILY = "entmax_triton"
TOLERANCE = {"float32": 5e-6, "float16": 1e-3}


def problem(alpha: str, dtype: str = "float32", n: int = 70) -> Problem:
    return problem_of(Operation.ENTMAX, alpha, dtype, n)


def errors(kernel: Kernel, workload: str, n: int, device: torch.device, rows: int = 3) -> tuple[float, float]:
    """Of output and gradient, for a few rows: the interpreter is slow."""
    p = kernel.problem
    alpha = p.alpha.alpha or 1.35
    given = () if p.alpha.alpha else (torch.tensor([alpha], device=device),)
    x = entmax_scores(workload, rows, n, seed=0).to(device, getattr(torch, p.dtype.value))
    dy = torch.randn(rows, n, generator=torch.Generator().manual_seed(1)).to(x)
    y, saved = kernel.forward(x, *given)
    dx = kernel.backward(dy, saved, *given)
    exact = x.double().requires_grad_()
    truth = reference.entmax(exact, alpha)
    truth.backward(dy.double())
    return error(y, truth), error(dx, exact.grad, quiet=1e-2)


@pytest.fixture
def long_rows(monkeypatch: pytest.MonkeyPatch):
    """Makes rows of more than 32 elements long ones: real ones would take the interpreter minutes."""

    def shorten(kernel: Kernel) -> Kernel:
        monkeypatch.setattr(kernel.module, "LONGEST_HELD", 32)
        monkeypatch.setattr(kernel.module, "TILE", 32)
        monkeypatch.setattr(kernel.module, "GROUP", 8)
        return kernel

    return shorten


@pytest.mark.parametrize("alpha", [member.value for member in AlphaClass])
@pytest.mark.parametrize("solver", ["norm", "bisection"])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_every_alpha(alpha: str, solver: str, dtype: str, device: torch.device) -> None:
    for n, rows in ((1, 1), (33, 4), (70, 2)):
        kernel = kernel_of(FAMILY, problem(alpha, dtype), solver=solver, block_rows=rows)
        for workload in ("gaussian6", "ragged"):
            assert max(errors(kernel, workload, n, device)) < TOLERANCE[dtype], (n, workload)


@pytest.mark.parametrize("alpha", ["2", "1.5", "4/3", "generic"])
@pytest.mark.parametrize("solver", ["norm", "bisection"])
def test_long_rows(alpha: str, solver: str, long_rows, device: torch.device) -> None:
    kernel = long_rows(kernel_of(FAMILY, problem(alpha), solver=solver))
    assert max(errors(kernel, "ragged", 70, device)) < TOLERANCE["float32"]


@pytest.mark.gpu
@pytest.mark.parametrize("alpha", [member.value for member in AlphaClass])
@pytest.mark.parametrize("n", [1000, 16384, 70000])
def test_bfloat16_of_real_lengths(alpha: str, n: int) -> None:
    kernel = kernel_of(FAMILY, problem(alpha, "bfloat16", n))
    assert max(errors(kernel, "gaussian", n, torch.device("cuda"), rows=64)) < 8e-3


@pytest.mark.parametrize("alpha", [1.005, 1.01, 1.6, 2.0])
def test_alpha_at_run_time(alpha: float, device: torch.device) -> None:
    kernel = kernel_of(FAMILY, problem("generic"))
    x = 3.0 * torch.randn(2, 50, generator=torch.Generator().manual_seed(0)).to(device)
    y, _ = kernel.forward(x, torch.tensor([alpha], device=device))
    truth = reference.entmax(x, alpha)
    assert (y - truth).norm() < 3e-5 * truth.norm()


@pytest.mark.parametrize("long", [False, True])
@pytest.mark.parametrize("alpha", ["2", "1.5", "generic"])
def test_empty_and_poisoned_rows(alpha: str, long: bool, long_rows, device: torch.device) -> None:
    kernel = kernel_of(FAMILY, problem(alpha), block_rows=4)
    kernel = long_rows(kernel) if long else kernel
    given = (torch.tensor([1.3], device=device),) if alpha == "generic" else ()
    x = torch.randn(5, 40, generator=torch.Generator().manual_seed(1)).to(device)
    clean, _ = kernel.forward(x, *given)
    x[1], x[2, 5], x[3, 7] = -math.inf, math.nan, math.inf
    y, saved = kernel.forward(x, *given)
    assert torch.all(y[1] == 0.0) and y[2:4].isnan().all()
    assert torch.equal(y[[0, 4]], clean[[0, 4]])
    assert torch.all(kernel.backward(torch.ones_like(x), saved, *given)[1] == 0.0)


def test_strided_rows_and_the_same_bits_twice(device: torch.device) -> None:
    kernel = kernel_of(FAMILY, problem("1.5"))
    wide = torch.randn(6, 100, generator=torch.Generator().manual_seed(2)).to(device)
    x, dy = wide[::2, 10:60], wide[1::2, 20:70]
    y, saved = kernel.forward(x)
    dx = kernel.backward(dy, saved)
    again, saved = kernel.forward(x.contiguous())
    assert torch.equal(y, again) and torch.equal(dx, kernel.backward(dy.contiguous(), saved))


@pytest.mark.parametrize("shape", [(0, 5), (5, 0)])
def test_nothing_to_do(shape: tuple[int, int], device: torch.device) -> None:
    kernel = kernel_of(FAMILY, problem("1.5"))
    y, saved = kernel.forward(torch.empty(shape, device=device))
    assert y.shape == kernel.backward(torch.empty(shape, device=device), saved).shape == shape


def test_the_default_runs_everywhere_and_double_precision_is_for_the_cpu() -> None:
    family = family_named(FAMILY)
    for gpu in KNOWN_GPUS.values():
        for n in (1, 4096, 1 << 20):
            p = problem("1.5", "float32", n)
            assert family.space.objection(p, gpu, family.default(p, gpu)) is None
    assert not family.supports(problem("1.5", "float64"))
