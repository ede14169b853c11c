"""Random masks, biases and α for the features of an attention problem, as rendered modules take them."""

from typing import Any

import torch

from splashgen.alpha import AlphaClass
from splashgen.problem import Problem
from splashgen.workloads import Shape

__all__ = ["draw_features", "large_alpha", "reference_options"]


def large_alpha(seed: int) -> float | None:
    """Of every other seed α = 2 or nearly: what the gate asks of kernels that read α at run time.

    There the support's edge counts in full in the gradients, and a step of the solver is worth least. None
    for the seeds between.
    """
    return None if seed % 2 else 2.0 if seed % 4 else 1.98


def draw_features(
    problem: Problem, shape: Shape, generator: torch.Generator, device: torch.device
) -> dict[str, Any]:
    """Every keyword of docs/architecture.md that the problem has, but for packed lengths."""
    features: dict[str, Any] = {}
    if problem.alpha is AlphaClass.GENERIC:
        one = 1.1 + 0.85 * torch.rand(1, generator=generator)
        features["alpha"] = (torch.linspace(1.2, 1.95, shape.heads) if problem.learned_alpha else one).to(
            device
        )
    if problem.window:
        features["window_left"] = max(shape.n_k // 4, 1)
        features["window_right"] = shape.n_k // 8
    if problem.alibi:
        # Press et al. 2022, section 3: a geometric sequence that ends at 2⁻⁸.
        features["alibi_slopes"] = torch.exp2(-8.0 * torch.arange(1, shape.heads + 1) / shape.heads).to(
            device
        )
    if problem.key_padding:
        features["key_padding"] = _padding(shape, generator).to(device)
    if problem.attn_mask:
        features["attn_mask"] = _mask(shape, generator, device)
    return features


def reference_options(problem: Problem, features: dict[str, Any]) -> dict[str, Any]:
    """The same masks and α in the words of `splashgen.reference`."""
    alpha = features["alpha"].double() if problem.alpha.alpha is None else problem.alpha.alpha
    return {
        "alpha": alpha,
        "is_causal": problem.causal,
        "window_size": (features.get("window_left", -1), features.get("window_right", -1)),
        "alibi_slopes": features.get("alibi_slopes"),
        "key_padding": features.get("key_padding"),
        "attn_mask": features.get("attn_mask"),
    }


def _mask(shape: Shape, generator: torch.Generator, device: torch.device) -> torch.Tensor:
    """Bool (batch, heads, n_q, n_k), strides 0 for the first two; about 7 of 10 scores exist."""
    row = torch.randint(0, 128, (shape.n_q, 1), generator=generator, dtype=torch.uint8).to(device)
    column = torch.randint(0, 128, (1, shape.n_k), generator=generator, dtype=torch.uint8).to(device)
    mask = (row ^ column) < 90  # n×n random numbers would take four times the memory at n = 32768
    return mask.expand(shape.batch, shape.heads, shape.n_q, shape.n_k)


def _padding(shape: Shape, generator: torch.Generator) -> torch.Tensor:
    """Bool (batch, n_k): each sequence padded at its left or right by up to half of it."""
    padding = torch.ones(shape.batch, shape.n_k, dtype=torch.bool)
    for row in padding:
        missing = int(torch.randint(0, shape.n_k // 2 + 1, (), generator=generator))
        right = bool(torch.randint(0, 2, (), generator=generator))
        row[shape.n_k - missing if right else 0 : shape.n_k if right else missing] = False
    return padding
