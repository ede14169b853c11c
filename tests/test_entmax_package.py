"""The entmax package (PyPI, 1.3) and ours agree: values and gradients, row-wise and inside attention."""

import math
from collections.abc import Callable

import entmax as package
import pytest
import torch

import splashgen

pytestmark = pytest.mark.filterwarnings("ignore:No config is tuned:UserWarning")

PAIRS = {
    "sparsemax": (lambda x: package.sparsemax(x, dim=-1), splashgen.sparsemax),
    "entmax15": (lambda x: package.entmax15(x, dim=-1), splashgen.entmax15),
    "bisect 1.05": (lambda x: bisected(x, 1.05), lambda x: splashgen.entmax(x, 1.05)),
    "bisect 1.25": (lambda x: bisected(x, 1.25), lambda x: splashgen.entmax(x, 1.25)),
    "bisect 1.7": (lambda x: bisected(x, 1.7), lambda x: splashgen.entmax(x, 1.7)),
    "bisect 2": (lambda x: bisected(x, 2.0), lambda x: splashgen.entmax(x, 2.0)),
}


def bisected(x: torch.Tensor, alpha: float) -> torch.Tensor:
    return package.entmax_bisect(x, alpha, dim=-1, n_iter=60)


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("gain", [0.3, 3.0, 30.0])
@pytest.mark.parametrize("n", [1, 2, 17, 500])
def test_rows(name: str, gain: float, n: int) -> None:
    theirs, ours = PAIRS[name]
    generator = torch.Generator().manual_seed(n)
    x = gain * torch.randn(9, n, generator=generator, dtype=torch.float64)
    weights = torch.randn(9, n, generator=generator, dtype=torch.float64)
    results = [with_gradient(function, x, weights) for function in (theirs, ours)]
    for their, our in zip(*results, strict=True):
        torch.testing.assert_close(our, their, rtol=1e-7, atol=1e-9)
    assert torch.equal(results[0][0] > 1e-9, results[1][0] > 1e-9)


@pytest.mark.parametrize("name", PAIRS)
def test_float32_rows(name: str) -> None:
    theirs, ours = PAIRS[name]
    x = 2.0 * torch.randn(9, 300, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(ours(x), theirs(x.double()).float(), rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_other_dimensions(dim: int) -> None:
    x = torch.randn(5, 7, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(splashgen.entmax15(x, dim=dim), package.entmax15(x, dim=dim))
    torch.testing.assert_close(splashgen.sparsemax(x, dim=dim), package.sparsemax(x, dim=dim))


@pytest.mark.parametrize("name", PAIRS)
def test_attention(name: str) -> None:
    """Causal attention with the package's function in the place of softmax, and its autograd."""
    theirs, _ = PAIRS[name]
    alpha = {"sparsemax": 2.0, "entmax15": 1.5}.get(name) or float(name.split()[1])
    generator = torch.Generator().manual_seed(0)
    tensors = [torch.randn(2, 3, 40, 16, generator=generator, dtype=torch.float64) for _ in range(3)]
    weights = torch.randn(2, 3, 40, 16, generator=generator, dtype=torch.float64)
    hidden = torch.ones(40, 40, dtype=torch.bool).triu(1)

    def plain(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        scores = (q @ k.mT / math.sqrt(16)).masked_fill(hidden, -1e9)
        return theirs(scores) @ v

    def fused(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return splashgen.attention(q, k, v, alpha=alpha, is_causal=True)

    results = []
    for function in (plain, fused):
        leaves = [tensor.clone().requires_grad_() for tensor in tensors]
        out = function(*leaves)
        results.append([out.detach(), *torch.autograd.grad(out, leaves, weights)])
    for their, our in zip(*results, strict=True):
        torch.testing.assert_close(our, their, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("alpha", [1.05, 1.3, 1.8])
def test_the_gradient_of_alpha(alpha: float) -> None:
    """`entmax_bisect` differentiates its α too (Correia et al. 2019): one value a head here."""
    generator = torch.Generator().manual_seed(0)
    q, k, v, weights = (torch.randn(1, 2, 30, 16, generator=generator, dtype=torch.float64) for _ in range(4))
    theirs, ours = (
        torch.tensor([alpha, alpha + 0.1], dtype=torch.float64, requires_grad=True) for _ in range(2)
    )
    rows = package.entmax_bisect(q @ k.mT / 4.0, theirs.view(1, 2, 1, 1).expand(1, 2, 30, 1), n_iter=60)
    ((rows @ v) * weights).sum().backward()
    (splashgen.attention(q, k, v, alpha=ours, scale=0.25) * weights).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-6, atol=1e-8)


def with_gradient(
    function: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor, weights: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    leaf = x.clone().requires_grad_()
    y = function(leaf)
    return y.detach(), torch.autograd.grad(y, leaf, weights)[0]
