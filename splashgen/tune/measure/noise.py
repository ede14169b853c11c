"""What timings can and cannot tell: medians with bootstrap intervals, and who is faster beyond noise."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Interval", "deviation", "faster_beyond_noise", "geometric_mean", "ratio", "slower_beyond_doubt"]

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
    def of(cls, samples: Sequence[float]) -> "Interval":
        """The percentile bootstrap of the median; the same samples always give the same interval.

        Raises
        ------
        ValueError
            If there are no samples.
        """
        if not samples:
            raise ValueError("samples is empty, but a median needs at least one.")
        values = np.asarray(samples, dtype=np.float64)
        picks = np.random.default_rng(0).integers(0, len(values), (_RESAMPLES, len(values)))
        medians = np.median(values[picks], axis=1)
        tail = (1.0 - _CONFIDENCE) / 2.0
        low, high = np.quantile(medians, [tail, 1.0 - tail])
        return cls(float(np.median(values)), float(low), float(high))


def ratio(samples: Sequence[float], others: Sequence[float]) -> Interval:
    """samples / others, pair by pair: what drifts between rounds cancels within one.

    Raises
    ------
    ValueError
        If the two do not have the same number of samples.
    """
    return Interval.of([mine / other for mine, other in zip(samples, others, strict=True)])


def deviation(samples: Sequence[float], again: Sequence[float]) -> float:
    """How far the same code, timed in two places, may be from itself: 1.01 is one percent.

    The end of the paired ratio's interval that is farther from 1; 1 without a second place.
    """
    if not again:
        return 1.0
    itself = ratio(again, samples)
    return max(itself.high, 1.0 / itself.low, 1.0)


def faster_beyond_noise(challenger: Sequence[float], holder: Sequence[float], noise: float = 1.0) -> bool:
    """Whether the whole interval of the paired ratio lies below 1, by more than a factor of `noise`."""
    return ratio(challenger, holder).high * noise < 1.0


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
