"""A learned α: a parameter z of any size becomes an α that kernels take."""

import math

import torch
from torch import Tensor

from splashgen.alpha import LEAST_ALPHA

__all__ = ["learned_alpha", "z_of"]

_WIDTH = 2.0 - LEAST_ALPHA
_EDGE = 1e-4
"""Sigmoid reaches neither end of its range at a finite z: a start there is moved by this share of it."""


def learned_alpha(z: Tensor) -> Tensor:
    """α = 1.0001 + 0.9999·sigmoid(z), float32: 1 + sigmoid(z) of Correia et al. 2019, kept off 1.

    Kernels do not check the values of a tensor, and at α = 1 they would divide by zero.
    """
    return LEAST_ALPHA + _WIDTH * torch.sigmoid(z.float())


def z_of(alpha: float) -> float:
    """The z whose `learned_alpha` is this α, or at an end of the range one within 1e-4 of it."""
    share = min(max((alpha - LEAST_ALPHA) / _WIDTH, _EDGE), 1.0 - _EDGE)
    return math.log(share / (1.0 - share))
