"""α-entmax of any tensor in float64, with exact gradients for the scores and for α."""

from typing import Any

import torch

from splashgen.reference.rows import Alpha, Rows, checked_alpha, solve

__all__ = ["entmax", "tau"]


def entmax(x: torch.Tensor, alpha: Alpha, dim: int = -1) -> torch.Tensor:
    """α-entmax in float64: sparse probabilities along `dim` (Peters et al. 2019, eq. 8).

    Sorting gives α = 1.5 and α = 2 exactly; every other α is bisected and polished to float64 precision.

    Parameters
    ----------
    x : torch.Tensor
        Scores; -inf is masked, and a row of nothing but -inf gives zeros and no gradient.
    alpha : float or torch.Tensor
        In (1, 2]. A tensor broadcasts against `x` with `dim` moved last and of size 1, and may require a
        gradient.
    dim : int
        The dimension that sums to 1.

    Returns
    -------
    torch.Tensor
        float64, of x's shape; differentiable once.

    Raises
    ------
    ValueError
        If α lies outside (1, 2].
    """
    probabilities: torch.Tensor = _Entmax.apply(x.double().movedim(dim, -1), checked_alpha(alpha))
    return probabilities.movedim(-1, dim)


def tau(x: torch.Tensor, alpha: Alpha, dim: int = -1) -> torch.Tensor:
    """The threshold τ in units of z = (α-1)·x, x's shape without `dim`; +inf where all of a row is -inf."""
    with torch.no_grad():
        return solve(x.double().movedim(dim, -1), checked_alpha(alpha)).tau.squeeze(-1)


class _Entmax(torch.autograd.Function):
    """Rows along the last dimension."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, alpha: Alpha) -> torch.Tensor:
        rows = solve(x, alpha)
        ctx.save_for_backward(rows.y, rows.tau, *([alpha] if isinstance(alpha, torch.Tensor) else []))
        ctx.alpha = None if isinstance(alpha, torch.Tensor) else alpha
        return rows.probabilities

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        y, tau, *tensors = ctx.saved_tensors
        rows = Rows(tensors[0] if tensors else ctx.alpha, y, tau)
        slopes = rows.slopes
        total = slopes.sum(-1, keepdim=True)
        mean = (slopes * gradient).sum(-1, keepdim=True) / torch.where(total == 0.0, 1.0, total)
        centred = gradient - mean
        dalpha = (
            rows.alpha_gradient(centred).sum_to_size(tensors[0].shape) if ctx.needs_input_grad[1] else None
        )
        return slopes * centred, dalpha
