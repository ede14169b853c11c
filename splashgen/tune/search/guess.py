"""How much faster than the best an untried config may be, guessed from those that were timed."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from splashgen.config import Config, Value

__all__ = ["improvements"]

_PAIRS = 0.09
"""Variance of the effect of two parameters together, relative to that of one."""
_NOISE = 0.01
"""Variance of what they cannot explain, relative to the same."""
_REACH = 2.0
"""Places in the list of a number's choices over which the correlation of their effects falls to 1/e."""
_LEAST_SPREAD = 0.02
"""Of log times: a few that are alike by chance must not look certain."""

_FAR = 0.1
"""Of log times above the best: from there on differences count less and less. Most changes of a good config
cost half of its time or all of it, and beside those the few percent that others gain would pass for noise."""

Vector = NDArray[np.float64]


def improvements(
    choices: Mapping[str, Sequence[Value]], timed: Mapping[Config, float], untried: Sequence[Config]
) -> Vector:
    """The expected improvement of each untried config on the best time, in units of the log time.

    The log time above the best, compressed where it is far above, is modelled as a sum of effects of single
    values and of pairs of values, all drawn from normal distributions: a Gaussian process whose covariance
    counts the parameters in which two configs agree. Numbers agree in part: the nearer they stand in the list
    of choices, the more. The improvement is that of Jones, Schonlau and Welch (1998), eq. 15.

    Parameters
    ----------
    choices : mapping of str to sequence
        Every parameter with its values, numbers in their order.
    timed : mapping of Config to float
        Milliseconds, at least one; all values are among the choices.
    untried : sequence of Config
        At least one.
    """
    logs = np.log(np.fromiter(timed.values(), dtype=np.float64))
    logs = _FAR * np.log1p((logs - logs.min()) / _FAR)
    spread = max(float(logs.std()), _LEAST_SPREAD)
    known = list(timed)
    noisy = _covariance(choices, known, known) + _NOISE * np.eye(len(known))
    across = _covariance(choices, untried, known)
    weights = np.linalg.solve(noisy, across.T).T
    expected = logs.mean() + weights @ (logs - logs.mean())
    with_itself = _covariance(choices, untried[:1], untried[:1])[0, 0]
    variance = with_itself - (weights * across).sum(axis=1)
    deviation = spread * np.sqrt(np.maximum(variance, 1e-9))
    gain = (logs.min() - expected) / deviation
    density = np.exp(-(gain**2) / 2.0) / math.sqrt(2.0 * math.pi)
    probability = 0.5 * (1.0 + np.array([math.erf(each / math.sqrt(2.0)) for each in gain]))
    improvement: Vector = deviation * (gain * probability + density)
    return improvement


def _covariance(
    choices: Mapping[str, Sequence[Value]], some: Sequence[Config], others: Sequence[Config]
) -> Vector:
    """Of all in which two configs agree: single values, and pairs of these."""
    single, squares = np.zeros((2, len(some), len(others)))
    for name, values in choices.items():
        place = {value: index for index, value in enumerate(values)}
        rows, columns = ([place[config[name]] for config in configs] for configs in (some, others))
        agreement = _agreement(values)[np.ix_(rows, columns)]
        single += agreement
        squares += agreement**2
    return single + _PAIRS * (single**2 - squares) / 2.0


def _agreement(values: Sequence[Value]) -> Vector:
    """How far the effects of two values of a parameter agree, from 0 to 1."""
    if any(isinstance(value, str | bool) for value in values):
        return np.eye(len(values))
    places = np.arange(len(values))
    return np.asarray(np.exp(-np.abs(places[:, None] - places) / _REACH))
