"""Row-wise entmax on the CPU target: any dimension, dtype and α, against entmax 1.3 and by gradcheck."""

import pytest
import torch

import splashgen
from splashgen import reference
from splashgen.alpha import LEAST_ALPHA

pytestmark = pytest.mark.filterwarnings("ignore:No config is tuned")


@pytest.mark.parametrize("dim", [0, 1, -1])
@pytest.mark.parametrize("alpha", [1.5, 2.0, 1.3])
def test_values_and_gradients_agree_with_entmax(alpha: float, dim: int) -> None:
    entmax = pytest.importorskip("entmax")
    torch.manual_seed(0)
    x = torch.randn(5, 6, 17, dtype=torch.float64, requires_grad=True)
    weight = torch.randn_like(x)
    ours, theirs = splashgen.entmax(x, alpha, dim), entmax.entmax_bisect(x, alpha, dim, n_iter=100)
    torch.testing.assert_close(ours, theirs, rtol=1e-7, atol=1e-9)
    gradients = [torch.autograd.grad((y * weight).sum(), x)[0] for y in (ours, theirs)]
    torch.testing.assert_close(*gradients, rtol=1e-6, atol=1e-8)


def test_named_forms() -> None:
    x = torch.randn(3, 9)
    assert torch.equal(splashgen.sparsemax(x), splashgen.entmax(x, 2.0))
    assert torch.equal(splashgen.entmax15(x, 0), splashgen.entmax(x, 1.5, 0))


def test_gradcheck() -> None:
    x = torch.randn(3, 7, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda t: splashgen.entmax(t, 1.5), (x,))


@pytest.mark.parametrize("workload", [(2, 1.0), (64, 1.0), (1000, 3.0), (5000, 0.0), (5000, 20.0)])
def test_rows_sum_to_1_at_the_smallest_alpha(workload: tuple[int, float]) -> None:
    """In float32, whose rounding p = 1/(α-1) multiplies by 10⁴."""
    n, spread = workload
    x = spread * torch.randn(32, n, generator=torch.Generator().manual_seed(0))
    y, truth = splashgen.entmax(x, LEAST_ALPHA), reference.entmax(x, LEAST_ALPHA)
    assert (y.double().sum(-1) - 1.0).abs().max() < 1e-3
    assert (y - truth).norm() < 5e-4 * truth.norm()


def test_tensor_alpha() -> None:
    x = torch.randn(3, 9, dtype=torch.float64)
    torch.testing.assert_close(splashgen.entmax(x, torch.tensor(1.5)), splashgen.entmax(x, 1.5))


def test_halves_come_back_as_halves() -> None:
    x = torch.randn(3, 9).bfloat16().requires_grad_()
    y = splashgen.entmax(x)
    assert y.dtype == torch.bfloat16
    y.float().square().sum().backward()
    assert x.grad.dtype == torch.bfloat16


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (0,)])
def test_empty(shape: tuple[int, ...]) -> None:
    assert splashgen.entmax(torch.zeros(shape)).shape == shape
