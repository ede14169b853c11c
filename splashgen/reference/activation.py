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
        float64, of x's shape. Twice differentiable in `x`, once in α.

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
        probabilities = rows.probabilities
        tensors = [alpha] if isinstance(alpha, torch.Tensor) else []
        ctx.save_for_backward(probabilities, rows.y, rows.tau, *tensors)
        ctx.alpha = None if isinstance(alpha, torch.Tensor) else alpha
        return probabilities

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        probabilities, y, tau, *tensors = ctx.saved_tensors
        rows = Rows(tensors[0] if tensors else ctx.alpha, y, tau)
        slopes = rows.slopes
        if torch.is_grad_enabled():  # it is to be differentiated again
            if ctx.needs_input_grad[1]:
                raise RuntimeError(
                    "The gradient of alpha cannot be differentiated again; leave out create_graph=True, or "
                    "pass alpha.detach() where only the scores' second derivatives are wanted."
                )
            # The same numbers as functions of P, which autograd follows back to the scores.
            support = slopes > 0.0
            slopes = torch.where(support, torch.where(support, probabilities, 1.0) ** (2.0 - rows.alpha), 0.0)
        total = slopes.sum(-1, keepdim=True)
        mean = (slopes * gradient).sum(-1, keepdim=True) / torch.where(total == 0.0, 1.0, total)
        centred = gradient - mean
        dalpha = (
            rows.alpha_gradient(centred).sum_to_size(tensors[0].shape) if ctx.needs_input_grad[1] else None
        )
        return slopes * centred, dalpha
