"""What timings tell: medians and ratios with bootstrap intervals, and who is slower beyond doubt."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Interval", "deviation", "geometric_mean", "ratio", "slower_beyond_doubt"]

_RESAMPLES = 2000
_CONFIDENCE = 0.95
_FEWEST_PAIRS = 8
_CERTAIN = 2.326
"""The normal distribution's quantile of 99 %."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A median and its 95 % bootstrap interval, in the unit of the samples."""

    median: float
    low: float
    high: float

    @property
    def uncertainty(self) -> float:
        """The larger of the two distances from the median to an end, as a part of the median."""
        return max(self.high - self.median, self.median - self.low) / self.median

    @classmethod
    def of(cls, *samples: Sequence[float]) -> "Interval":
        """The percentile bootstrap of the median; the same samples always give the same interval.

        Of several sets of samples it is that of their medians' geometric mean, each resampled by itself.

        Raises
        ------
        ValueError
            If there are no samples.
        """
        if not samples or not all(samples):
            raise ValueError("samples is empty, but a median needs at least one.")
        chance, part = np.random.default_rng(0), 1.0 / len(samples)
        middle, drawn = 1.0, np.ones(_RESAMPLES)
        for values in (np.asarray(each, dtype=np.float64) for each in samples):
            picks = chance.integers(0, len(values), (_RESAMPLES, len(values)))
            drawn *= np.median(values[picks], axis=1) ** part
            middle *= float(np.median(values)) ** part
        tail = (1.0 - _CONFIDENCE) / 2.0
        low, high = np.quantile(drawn, [tail, 1.0 - tail])
        return cls(middle, float(low), float(high))


Pair = tuple[Sequence[float], Sequence[float]]
"""Samples of two that took part in the same rounds."""


def ratio(*pairs: Pair) -> Interval:
    """First / second, round by round: what drifts between rounds cancels within one.

    Of several pairs, each from rounds of its own, it is their geometric mean.

    Raises
    ------
    ValueError
        If the two of a pair do not have the same number of samples.
    """
    return Interval.of(
        *([mine / other for mine, other in zip(samples, others, strict=True)] for samples, others in pairs)
    )


def deviation(*pairs: Pair) -> float:
    """How far the same code, timed in two places, may be from itself: 1.01 is one percent.

    The end of the paired ratio's interval that is farther from 1.
    """
    itself = ratio(*pairs)
    return max(itself.high, 1.0 / itself.low, 1.0)


def slower_beyond_doubt(pairs: Sequence[tuple[float, float]], factor: float = 1.0) -> bool:
    """Whether the first of each pair is more than `factor` times the second, by Wilcoxon's signed-rank test.

    One-sided, at the level of 1 %, with the normal approximation (Wilcoxon 1945; Hollander, Wolfe and Chicken
    2014, section 3.1), which 8 pairs are enough for; fewer never convince. Optuna's `WilcoxonPruner` decides
    likewise, but is told every round by way of the study's database, where one round takes a millisecond.
    """
    gaps = np.array([np.log(mine / (factor * other)) for mine, other in pairs])
    gaps = gaps[gaps != 0.0]
    if len(gaps) < _FEWEST_PAIRS:
        return False
    ranks = np.argsort(np.argsort(np.abs(gaps))) + 1
    count = len(gaps)
    centre, spread = count * (count + 1) / 4.0, math.sqrt(count * (count + 1) * (2 * count + 1) / 24.0)
    return bool((ranks[gaps > 0.0].sum() - centre) / spread > _CERTAIN)


def geometric_mean(values: Sequence[float]) -> float:
    """exp of the mean logarithm."""
    return math.exp(sum(map(math.log, values)) / len(values))
