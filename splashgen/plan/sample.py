"""What depends on the data: how much of it a support touches and how many passes τ takes, on a sample.

The workloads are those that timings are taken on (`splashgen.cases`), one head of them, and of that a few
blocks of queries. The dense pass and the solver are followed step by step as the templates have them.
"""

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from splashgen.problem import Problem

if TYPE_CHECKING:
    import torch

__all__ = ["RowSupport", "Support", "row_passes", "row_support", "support"]

_ROWS = 64
_MOST_SCORES = 1 << 22
_SEED = 0
_GENERIC_POWER = 1.0 / 0.35
"""Of α = 1.35: the generic class is timed with values on both sides of it."""


@dataclass(frozen=True, slots=True)
class Support:
    """Of an attention workload."""

    density: float
    """Share of the visible tiles that are listed."""
    keys: float
    """Share of the keys that a tile's queries see, one of which needs it: a score above the bound."""
    queries: float
    """Share of the queries that see a tile's keys, and need one of them."""
    passes: float
    """Over a list, until τ is known well enough."""


@dataclass(frozen=True, slots=True)
class RowSupport:
    """Of a row of entmax in groups of neighbours."""

    share: float
    """Of the groups, those that hold an element above τ."""
    passes_of_maxima: float
    """Over the groups' maxima, until their own τ is known."""
    passes: float
    """From there on over the groups above τ, until the row's is."""


@functools.lru_cache(maxsize=1024)
def support(
    problem: Problem,
    workload: str,
    block_m: int,
    block_n: int,
    bound_steps: int,
    bound_parts: int,
    bound_together: int,
    tolerance: float,
) -> Support:
    """The support lists of tiles of (block_m, block_n) scores, and the passes to `tolerance`.

    Parameters
    ----------
    problem : Problem
        An attention problem; its masks but for the causal one are left out.
    workload : str
        One of `splashgen.workloads.WORKLOADS`.
    bound_steps : int
        Steps over the tile maxima; 0 starts from the row's maximum less 1.
    bound_parts : int
        How many maxima of a tile's row are kept.
    bound_together : int
        Of how many neighbouring tiles the maxima are gathered for those steps.
    """
    import torch

    z, visible = _scores(problem, workload)
    power = problem.alpha.power or _GENERIC_POWER
    maxima = z.unflatten(-1, (-1, block_n)).amax(-1)
    top = z.amax(-1, keepdim=True)
    lower = top - 1.0
    parts = z.unflatten(-1, (-1, block_n // 8, bound_parts, 8 // bound_parts)).amax((-1, -3))
    gathered = parts.unflatten(-2, (-1, min(bound_together, parts.shape[-2]))).amax(-2).flatten(-2)
    for step in range(bound_steps):
        last = step == bound_steps - 1
        lower, _ = _newton(gathered, lower, power) if last else _bent(gathered, lower, top, power)
    above, seen = maxima > lower, visible.unflatten(-1, (-1, block_n)).any(-1)
    listed = _of_tiles(above, block_m)
    density = float(listed.sum() / _of_tiles(seen, block_m).sum())
    keys = float(_of_tiles(z > lower, block_m).sum() / _of_tiles(visible, block_m).sum())
    queries = float(above.sum() / seen.sum())
    tau, passes, count = lower, torch.zeros(listed.shape[0]), 0
    unsettled = torch.ones(listed.shape[0], dtype=torch.bool)
    while bool(unsettled.any()) and count < 40:
        tau, gap = _bent(z, tau, top, power)
        passes += unsettled
        unsettled &= gap.unflatten(0, (-1, block_m)).amax((1, 2)) > tolerance
        count += 1
    return Support(density, keys, queries, float(passes.mean()))


def _of_tiles(of_rows: "torch.Tensor", block_m: int) -> "torch.Tensor":
    """Whether it holds for any of each block_m rows."""
    return of_rows.unflatten(0, (-1, block_m)).any(1)


@functools.lru_cache(maxsize=64)
def row_passes(problem: Problem, workload: str, tolerance: float = 1e-6) -> float:
    """Passes over a row of entmax until τ is known to float32's precision, from the row's maximum less 1."""
    z, power = _row_scores(problem, workload)
    top = z.amax(-1, keepdim=True)
    _, passes = _settled(z, top - 1.0, top, power, tolerance)
    return passes


@functools.lru_cache(maxsize=64)
def row_support(problem: Problem, workload: str, group: int, tolerance: float = 1e-6) -> RowSupport:
    """What a row takes whose τ is first solved over the maxima of `group` neighbours each."""
    z, power = _row_scores(problem, workload)
    top = z.amax(-1, keepdim=True)
    maxima = z.unflatten(-1, (-1, min(group, z.shape[-1]))).amax(-1)
    tau, first = _settled(maxima, top - 1.0, top, power, tolerance)
    tau, then = _settled(z, tau, top, power, tolerance)
    return RowSupport(float((maxima > tau).float().mean()), first, then)


def _row_scores(problem: Problem, workload: str) -> tuple["torch.Tensor", float]:
    """Scaled scores of a few rows, and the power p."""
    from splashgen.workloads import entmax_scores

    power = problem.alpha.power or _GENERIC_POWER
    n = problem.seq_len
    return entmax_scores(workload, max(1, min(_ROWS, _MOST_SCORES // n)), n, _SEED) / power, power


def _settled(
    z: "torch.Tensor", tau: "torch.Tensor", top: "torch.Tensor", power: float, tolerance: float
) -> tuple["torch.Tensor", float]:
    """τ of every row, and the passes of the slowest."""
    passes, gap = 0, math.inf
    while gap > tolerance and passes < 32:
        tau, gaps = _halley(z, tau, top, power)
        gap = float(gaps.amax())
        passes += 1
    return tau, float(passes)


@functools.lru_cache(maxsize=4)
def _scores(problem: Problem, workload: str) -> tuple["torch.Tensor", "torch.Tensor"]:
    """Scaled scores (rows, n) of evenly spread query blocks, -inf where invisible, and what is visible."""
    import torch

    from splashgen.workloads import Shape, attention_tensors

    n, d = max(problem.seq_len, 256), problem.head_dim
    drawn = attention_tensors(workload, Shape(1, 1, 1, n, n, d, problem.value_dim), _SEED)
    q, k = drawn["q"][0, 0], drawn["k"][0, 0]
    blocks = n // _ROWS
    chosen = min(blocks, max(_MOST_SCORES // (_ROWS * n), 2))
    first = ((torch.arange(chosen) + 0.5) * blocks / chosen).long() * _ROWS
    rows = (first[:, None] + torch.arange(_ROWS)).flatten()
    power = problem.alpha.power or _GENERIC_POWER
    z = q[rows] @ k.mT * (d**-0.5 / power)
    visible = torch.ones_like(z, dtype=torch.bool)
    if problem.causal:
        visible = torch.arange(n) <= rows[:, None]
    return z.masked_fill(~visible, -math.inf), visible


def _moments(
    z: "torch.Tensor", tau: "torch.Tensor", power: float
) -> tuple["torch.Tensor", "torch.Tensor", "torch.Tensor"]:
    """Σ y^p, Σ y^(p-1), Σ y^(p-2) over the support, y = max(z - τ, 0)."""
    y = (z - tau).clamp(min=0.0)
    inside = y > 0.0
    if power == 2.0:  # several times as fast as `pow`
        return y.square().sum(-1, keepdim=True), y.sum(-1, keepdim=True), inside.sum(-1, keepdim=True)
    return (
        y.pow(power).sum(-1, keepdim=True),
        (y.pow(power - 1.0) * inside).sum(-1, keepdim=True),
        (y.clamp(min=1e-30).pow(power - 2.0) * inside).sum(-1, keepdim=True),
    )


def _newton(z: "torch.Tensor", tau: "torch.Tensor", power: float) -> tuple["torch.Tensor", "torch.Tensor"]:
    """Newton's step on g = (Σ y^p)^(1/p), and |g - 1| before it."""
    s0, s1, _ = _moments(z, tau, power)
    g = s0.pow(1.0 / power)
    return tau + (g - 1.0) * s0 / (s1 * g), (g - 1.0).abs()


def _bent(
    z: "torch.Tensor", tau: "torch.Tensor", top: "torch.Tensor", power: float
) -> tuple["torch.Tensor", "torch.Tensor"]:
    """Halley's step on g with the curvature that the template assumes, and |g - 1| before it."""
    import torch

    s0, s1, _ = _moments(z, tau, power)
    g = s0.pow(1.0 / power)
    h = g - 1.0
    step = tau + h * s0 / (s1 * (g - (0.375 if power == 1.0 else 0.25) * h))
    return torch.where(h > 0.0, torch.minimum(step, top - (top - tau) / g), step), h.abs()


def _halley(
    z: "torch.Tensor", tau: "torch.Tensor", top: "torch.Tensor", power: float
) -> tuple["torch.Tensor", "torch.Tensor"]:
    """Halley's step on g inside its bracket, else Newton's, and |g - 1| before it."""
    import torch

    s0, s1, s2 = _moments(z, tau, power)
    g = s0.pow(1.0 / power)
    h, slope = g - 1.0, s1 / s0
    bend = (power - 1.0) * (s2 / s0 - slope.square())
    newton = tau + h / (slope * g)
    denominator = 2.0 * slope.square() * g - h * bend
    halley = tau + 2.0 * h * slope / denominator
    inside = (denominator > 0.0) & (halley >= newton) & (halley <= top - (top - tau) / g)
    return torch.where(inside, halley, newton), h.abs()
