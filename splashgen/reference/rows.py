"""One row of α-entmax: the threshold τ to float64 precision, and everything that follows from it.

With z = (α-1)·s and p = 1/(α-1), a row's probabilities are P = max(z - τ, 0)^p where τ makes them sum to 1
(Peters et al. 2019, eq. 8).
"""

import math
from dataclasses import dataclass

import torch

from splashgen.alpha import check_alpha

__all__ = ["Alpha", "Rows", "checked_alpha", "solve"]

Alpha = float | torch.Tensor
"""α as a number, or as a float64 tensor that broadcasts against rows with their last dimension of size 1."""

_BISECTIONS = 20
_NEWTON_STEPS = 40
_BELOW = -2.0
"""A centred score that no threshold reaches: the support lies within 1 of the row's maximum."""


@dataclass(frozen=True)
class Rows:
    """Solved rows, all float64.

    Attributes
    ----------
    alpha : float or torch.Tensor
        As given to `solve`.
    y : torch.Tensor
        max(z - τ, 0), (..., n).
    tau : torch.Tensor
        τ in units of z, (..., 1); +inf for a row whose scores are all -inf.
    """

    alpha: Alpha
    y: torch.Tensor
    tau: torch.Tensor

    @property
    def probabilities(self) -> torch.Tensor:
        """P = y^p, (..., n)."""
        return self.y ** (1.0 / (self.alpha - 1.0))

    @property
    def slopes(self) -> torch.Tensor:
        """U = y^(p-1) on the support and 0 off it, (..., n): dP = U∘(ds - <U, ds>/ΣU)."""
        return _slopes(self.y, 1.0 / (self.alpha - 1.0))

    def alpha_gradient(self, centred_gradient: torch.Tensor) -> torch.Tensor:
        """dL/dα of each row, (..., 1), from dL/dP less its U-weighted mean, (..., n).

        Implicit differentiation (Correia et al. 2019, eq. 7) regrouped into
        -(α-1)⁻²·Σ (G - δ)·U·(1 - y + y·ln y), whose terms stay small where α nears 1.
        """
        terms = centred_gradient * self.slopes * _bregman(self.y)
        return -terms.sum(-1, keepdim=True) / (self.alpha - 1.0) ** 2


def checked_alpha(alpha: Alpha) -> Alpha:
    """`alpha` as a float or a float64 tensor with every value in (1, 2].

    Raises
    ------
    ValueError
        If a value lies outside.
    """
    if not isinstance(alpha, torch.Tensor):
        return check_alpha(alpha, least=1.0)
    if not bool(((alpha > 1) & (alpha <= 2)).all()):
        raise ValueError(f"alpha holds {alpha.detach().tolist()}, but every value must lie in (1, 2].")
    return alpha.double()


def solve(scores: torch.Tensor, alpha: Alpha) -> Rows:
    """Solve rows of scores.

    Parameters
    ----------
    scores : torch.Tensor
        (..., n), float64; -inf is masked. A NaN or +inf makes its whole row NaN.
    alpha : float or torch.Tensor
        From `checked_alpha`; a tensor broadcasts against (..., 1).
    """
    z = (alpha - 1.0) * scores
    if z.numel() == 0:
        return Rows(alpha, z, z.new_full((*z.shape[:-1], 1), math.inf))
    peak = z.amax(-1, keepdim=True)
    empty = peak == -math.inf
    z = z - torch.where(empty, 0.0, peak)  # centred: the threshold is found in [-1, 0)
    tau = _threshold(torch.where(empty, 0.0, z), alpha)  # any finite row will do: -inf - τ is below 0
    return Rows(alpha, (z - tau).clamp(min=0.0), torch.where(empty, math.inf, peak + tau))


def _threshold(z: torch.Tensor, alpha: Alpha) -> torch.Tensor:
    """τ, (..., 1), of rows (..., n) whose maximum is 0."""
    candidates = max(int((z > -1.0).sum(-1).max()), 1)
    head = z.clamp(min=_BELOW).topk(candidates).values
    if isinstance(alpha, float) and alpha == 2.0:
        start = _sparsemax(head)
    elif isinstance(alpha, float) and alpha == 1.5:
        start = _entmax15(head)
    else:
        start = _bisected(head, alpha)
    return _polished(head, start, alpha)


def _sparsemax(z: torch.Tensor) -> torch.Tensor:
    """Exact τ for α = 2 from rows sorted downwards (Martins & Astudillo 2016, algorithm 1)."""
    size = torch.arange(1, z.shape[-1] + 1, dtype=z.dtype, device=z.device)
    thresholds = (z.cumsum(-1) - 1.0) / size
    return _at_support(thresholds, z > thresholds)


def _entmax15(z: torch.Tensor) -> torch.Tensor:
    """Exact τ for α = 1.5 from rows sorted downwards (Peters et al. 2019, algorithm 2)."""
    size = torch.arange(1, z.shape[-1] + 1, dtype=z.dtype, device=z.device)
    mean = z.cumsum(-1) / size
    spread = (z * z).cumsum(-1) - size * mean * mean
    thresholds = mean - ((1.0 - spread) / size).clamp(min=0.0).sqrt()
    return _at_support(thresholds, z >= thresholds)


def _at_support(thresholds: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    support = inside.sum(-1, keepdim=True).clamp(min=1)
    return thresholds.gather(-1, support - 1)


def _bisected(z: torch.Tensor, alpha: Alpha) -> torch.Tensor:
    """A lower bound of τ to 1e-6 for any α: τ lies in [-1, -n^(1-α)] below the maximum."""
    power = 1.0 / (alpha - 1.0)
    low = torch.full_like(z[..., :1], -1.0)
    width = torch.full_like(low, 1.0) - float(z.shape[-1]) ** (1.0 - alpha)
    for _ in range(_BISECTIONS):
        width = width / 2.0
        mass = ((z - (low + width)).clamp(min=0.0) ** power).sum(-1, keepdim=True)
        low = torch.where(mass >= 1.0, low + width, low)
    return low


def _polished(z: torch.Tensor, tau: torch.Tensor, alpha: Alpha) -> torch.Tensor:
    """Newton's method on the norm g(τ) = (Σ y^p)^(1/p) = 1.

    g is convex and decreasing, so from a lower bound the steps approach τ from the left and never pass it.
    """
    power = 1.0 / (alpha - 1.0)
    for _ in range(_NEWTON_STEPS):
        y = (z - tau).clamp(min=0.0)
        mass = (y**power).sum(-1, keepdim=True)
        norm = mass ** (1.0 / power)
        step = (norm - 1.0) * mass / (_slopes(y, power).sum(-1, keepdim=True) * norm)
        tau = tau + step
        if not bool((step.abs() > 1e-15).any()):
            break
    return tau


def _slopes(y: torch.Tensor, power: Alpha) -> torch.Tensor:
    return torch.where(y == 0.0, 0.0, y ** (power - 1.0))  # not `y > 0`: a NaN must stay one


def _bregman(y: torch.Tensor) -> torch.Tensor:
    """1 - y + y·ln y for y in [0, 1]; near 1, where that cancels, the series Σ t^k/(k(k-1)), t = 1 - y."""
    t = 1.0 - y
    near = t.abs() < 0.05
    small = torch.where(near, t, 0.0)
    series = torch.zeros_like(t)
    for k in range(13, 1, -1):
        series = (series + 1.0 / (k * (k - 1))) * small
    return torch.where(near, series * small, t + torch.special.xlogy(y, y))
