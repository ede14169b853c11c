"""How much faster than the best an untried config may be, guessed from those that were timed."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from splashgen.config import Config

__all__ = ["improvements"]

_PAIRS = 0.09
"""Variance of the effect of two parameters together, relative to that of one."""
_NOISE = 0.01
"""Variance of what they cannot explain, relative to the same."""
_LEAST_SPREAD = 0.02
"""Of log times: a few that are alike by chance must not look certain."""

Vector = NDArray[np.float64]


def improvements(timed: Mapping[Config, float], untried: Sequence[Config]) -> Vector:
    """The expected improvement of each untried config on the best time, in units of the log time.

    The log time is modelled as a sum of effects of single values and of pairs of values, all drawn from
    normal distributions: a Gaussian process whose covariance counts the parameters in which two configs
    agree. The improvement is that of Jones, Schonlau and Welch (1998), eq. 15.

    Parameters
    ----------
    timed : mapping of Config to float
        Milliseconds, at least one; all configs have the same parameters.
    untried : sequence of Config
        At least one.
    """
    logs = np.log(np.fromiter(timed.values(), dtype=np.float64))
    spread = max(float(logs.std()), _LEAST_SPREAD)
    known = list(timed)
    noisy = _covariance(known, known) + _NOISE * np.eye(len(known))
    across = _covariance(untried, known)
    weights = np.linalg.solve(noisy, across.T).T
    expected = logs.mean() + weights @ (logs - logs.mean())
    variance = _agreement(len(untried[0].items)) - (weights * across).sum(axis=1)
    deviation = spread * np.sqrt(np.maximum(variance, 1e-9))
    gain = (logs.min() - expected) / deviation
    density = np.exp(-(gain**2) / 2.0) / math.sqrt(2.0 * math.pi)
    probability = 0.5 * (1.0 + np.array([math.erf(each / math.sqrt(2.0)) for each in gain]))
    improvement: Vector = deviation * (gain * probability + density)
    return improvement


def _covariance(some: Sequence[Config], others: Sequence[Config]) -> Vector:
    agree = [[sum(map(tuple.__eq__, one.items, other.items)) for other in others] for one in some]
    return np.asarray(_agreement(np.array(agree, dtype=np.float64)))


def _agreement(parameters: Any) -> Any:
    """Covariance of configs that agree in so many parameters, and so in all pairs of these."""
    return parameters + _PAIRS * parameters * (parameters - 1.0) / 2.0
