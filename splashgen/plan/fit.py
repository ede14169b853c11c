"""Fitting the cost model's constants to measured times: least squares of the logarithms."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np

from splashgen.plan.model import Array, Constants, predicted_ms

__all__ = ["Measured", "fit"]

_PRIOR = 0.03
"""A constant that is off its start by a factor e costs as much as this share of all times being off by e."""
_LEVEL = 0.3
"""Weight of a problem's common error: choosing among its candidates needs their ratios only."""
_ROUNDS = 60
_STEP = 1e-4


@dataclass(frozen=True)
class Measured:
    """The candidates of one problem on one chip."""

    terms: Array
    """(candidates, workloads, kernels, 7), from `terms_of`."""
    times_ms: Array
    """(candidates,)"""


def fit(problems: Sequence[Measured], start: Constants) -> Constants:
    """The constants that explain the times best, near `start` where the times do not say.

    Raises
    ------
    ValueError
        If there are no problems.
    """
    if not problems:
        raise ValueError("problems is empty, but constants are fitted to the times of at least one.")
    origin = np.log(np.array(astuple(start)))
    here, damping = origin.copy(), 1e-2
    residuals = _residuals(problems, here, origin)
    for _ in range(_ROUNDS):  # Levenberg and Marquardt
        slopes = np.stack(
            [
                (_residuals(problems, here + step, origin) - residuals) / _STEP
                for step in np.eye(len(here)) * _STEP
            ],
            1,
        )
        normal = slopes.T @ slopes
        step = np.linalg.solve(normal + damping * np.eye(len(here)), -slopes.T @ residuals)
        # A share is at most 1, and nothing overlaps less than not at all: `_constants` sees to it.
        tried = _residuals(problems, here + step, origin)
        if tried @ tried < residuals @ residuals:
            here, residuals, damping = here + step, tried, damping / 3.0
        else:
            damping *= 4.0
    return _constants(here)


def _constants(logarithms: Array) -> Constants:
    raw = Constants(*map(float, np.exp(logarithms)))
    return Constants(
        matrix=min(raw.matrix, 1.0),
        issue=min(raw.issue, 1.0),
        transfer_clocks=raw.transfer_clocks,
        chain_clocks=raw.chain_clocks,
        load_clocks=raw.load_clocks,
        instruction_clocks=raw.instruction_clocks,
        overlap=min(max(raw.overlap, 1.0), 8.0),
        memory=min(raw.memory, 1.0),
        launch_us=raw.launch_us,
    )


def _residuals(problems: Sequence[Measured], here: Array, origin: Array) -> Array:
    """Every candidate counts alike within its problem, every problem alike; the prior's come last."""
    constants = _constants(here)
    parts = []
    for problem in problems:
        errors = np.log(predicted_ms(problem.terms, constants) / problem.times_ms)
        common = errors.mean()
        parts.append((errors - common) / np.sqrt(len(errors)))
        parts.append(np.array([_LEVEL * common]))
    parts.append(_PRIOR * (here - origin))
    return np.concatenate(parts)
