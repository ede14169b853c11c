"""How many passes over a row each solver of τ needs, in plain torch, from a stated start.

α = 1.5, so p = 2. z = s/2, y = max(z - τ, 0), S_k = Σ y^(p-k): a pass computes those sums for one τ.
"""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch

from splashgen.bench.cells import SEED
from splashgen.bench.results import Results
from splashgen.reference import tau as reference_tau
from splashgen.tune.measure.timing import Stopwatch
from splashgen.workloads import entmax_scores

__all__ = ["SOLVERS", "START_POINTS", "measure_solvers", "passes"]

_ALPHA = 1.5
_N = 8192
_ROWS = 64
_TIMED_ROWS = {"cuda": 4096, "cpu": 64}
_MOST = 60
_LAPS = 10
_TOLERANCES = {"float32's epsilon": 2.0**-23, "float64's limit": 2e-15}
"""Largest |τ - true τ|. Rounding alone moves τ by 1e-15 here, so nothing smaller can be told apart."""


@dataclass(slots=True)
class _State:
    """τ of each row, (rows, 1), and a bracket around it."""

    tau: torch.Tensor
    low: torch.Tensor
    high: torch.Tensor
    peak: torch.Tensor


Step = Callable[[torch.Tensor, _State], None]


def _bisect(z: torch.Tensor, state: _State) -> None:
    mass = (z - state.tau).clamp(min=0.0).square().sum(-1, keepdim=True)
    _narrow(state, mass)
    state.tau = (state.low + state.high) / 2.0


def _halley_on_f(z: torch.Tensor, state: _State) -> None:
    """AdaSplash's Halley-bisection on f = S_0 - 1 (arXiv 2502.12082, algorithm 1)."""
    y = (z - state.tau).clamp(min=0.0)
    s0, s1, s2 = y.square().sum(-1, keepdim=True), y.sum(-1, keepdim=True), (y > 0).sum(-1, keepdim=True)
    _narrow(state, s0)
    f, slope, curvature = s0 - 1.0, -2.0 * s1, 2.0 * s2
    step = state.tau - 2.0 * f * slope / (2.0 * slope.square() - f * curvature)
    inside = (step >= state.low) & (step <= state.high)
    state.tau = torch.where(inside, step, (state.low + state.high) / 2.0)


def _halley_on_g(z: torch.Tensor, state: _State) -> None:
    """Ours: Halley on the norm g = √S_0, inside the bracket that the convex g proves, else Newton on g."""
    y = (z - state.tau).clamp(min=0.0)
    s0, s1, s2 = y.square().sum(-1, keepdim=True), y.sum(-1, keepdim=True), (y > 0).sum(-1, keepdim=True)
    g = s0.sqrt()
    slope, curvature = -s1 / g, (s2 * s0 - s1.square()) / (g * s0)
    newton = state.tau - (g - 1.0) / slope
    chord = torch.where(g >= 1.0, state.peak - (state.peak - state.tau) / g, state.tau)
    halley = state.tau - 2.0 * (g - 1.0) * slope / (2.0 * slope.square() - (g - 1.0) * curvature)
    state.tau = torch.where((halley >= newton) & (halley <= chord), halley, newton)


def _narrow(state: _State, mass: torch.Tensor) -> None:
    state.low = torch.where(mass >= 1.0, state.tau, state.low)
    state.high = torch.where(mass >= 1.0, state.high, state.tau)


SOLVERS: dict[str, Step] = {
    "bisection": _bisect,
    "Halley-bisection on f": _halley_on_f,
    "Halley on g, bracketed": _halley_on_g,
}

START_POINTS = ("m - 1", "midpoint", "tile maxima")
"""The left end of the bracket [m - 1, m - n^(1-α)], its middle, and τ of nothing but the maxima of the row's
64-element tiles: a lower bound that attention gets from its dense pass."""


def passes(device: torch.device, rows: int = _ROWS) -> list[dict[str, Any]]:
    """Passes to each tolerance, the median row's and the worst one's, and the time of the worst row's passes.

    Standard Gaussian rows of 8192, float64. Times are of these torch functions on the device, for many rows.
    """
    z = entmax_scores("gaussian", rows, _N, SEED).double().to(device) * (_ALPHA - 1.0)
    true = reference_tau(z / (_ALPHA - 1.0), _ALPHA)[:, None]
    many = z.repeat(-(-_TIMED_ROWS.get(device.type, rows) // rows), 1)
    watch = Stopwatch(device)
    found = []
    for name, step in SOLVERS.items():
        for start in START_POINTS:
            state = _begin(z, start)
            needed = {label: torch.full((rows,), float(_MOST + 1)) for label in _TOLERANCES}
            worst = []
            for done in range(1, _MOST + 1):
                step(z, state)
                gap = (state.tau - true).abs().squeeze(-1).cpu()
                worst.append(float(gap.max()))
                for label, tolerance in _TOLERANCES.items():
                    needed[label] = torch.where(
                        gap <= tolerance, needed[label].clamp(max=done), needed[label]
                    )
            counts = {label: found.tolist() for label, found in needed.items()}
            row: dict[str, Any] = {"solver": name, "start": start, "n": _N, "rows": rows, "dtype": "float64"}
            row["passes"] = {label: _capped(values) for label, values in counts.items()}
            row["worst_error"] = worst[:8]
            steps = int(max(counts["float32's epsilon"]))
            if steps <= _MOST:
                row["timed_passes"], row["timed_rows"] = steps, many.shape[0]
                row["ms"] = [_timed(watch, many, step, start, steps) for _ in range(_LAPS + 1)][1:]
            found.append(row)
    return found


def _capped(counts: list[float]) -> dict[str, int | None]:
    """Median and worst; None where a row never got there."""
    kept = {"median": median(counts), "worst": max(counts)}
    return {name: int(count) if count <= _MOST else None for name, count in kept.items()}


def _timed(watch: Stopwatch, z: torch.Tensor, step: Step, start: str, steps: int) -> float:
    state = _begin(z, start)

    def solve() -> None:
        for _ in range(steps):
            step(z, state)

    return round(watch.lap(solve)[0], 4)


def _begin(z: torch.Tensor, start: str) -> _State:
    peak = z.amax(-1, keepdim=True)
    low, high = peak - 1.0, peak - z.shape[-1] ** (1.0 - _ALPHA)
    match start:
        case "m - 1":
            tau = low
        case "midpoint":
            tau = (low + high) / 2.0
        case _:
            maxima = z.unflatten(-1, (-1, 64)).amax(-1)
            tau = reference_tau(maxima / (_ALPHA - 1.0), _ALPHA)[:, None]
            low = tau
    return _State(tau, low, high, peak)


def measure_solvers(results: Results, session: int, device: torch.device, say: Callable[[str], None]) -> None:
    """Measure all solvers from all starts, save and print."""
    rows = passes(device)
    results.data["solvers"] = [{"session": session, **row} for row in rows]
    results.save()
    say(f"Passes until |τ - true τ| is small: standard Gaussian, n={_N}, α={_ALPHA}, float64, {_ROWS} rows.")
    for row in rows:
        counts = "  ".join(
            f"{label}: median {_count(found['median'])}, worst {_count(found['worst'])}"
            for label, found in row["passes"].items()
        )
        timed = f"  {median(row['ms']):9.3f} ms for {row['timed_passes']} passes" if "ms" in row else ""
        say(f"  {row['solver']:<24}from {row['start']:<13}{counts}{timed}")


def _count(passes_needed: int | None) -> str:
    return f"more than {_MOST}" if passes_needed is None else f"{passes_needed:2d}"
