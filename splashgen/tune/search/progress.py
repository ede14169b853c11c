"""`Progress`: how far a search is, from what was evaluated."""

from collections import Counter
from collections.abc import Sequence

from splashgen.tune.limits import Limits
from splashgen.tune.study.records import Record

__all__ = ["Progress"]

_IMPROVEMENT = 0.99
"""A time counts as an improvement if it is at most this part of the best before."""


class Progress:
    """Reads the records of a search, those of earlier runs and other workers included.

    Parameters
    ----------
    records : sequence of Record
        Evaluated candidates, to which the search adds.
    """

    def __init__(self, records: Sequence[Record]) -> None:
        self._records = records

    @property
    def done(self) -> int:
        """Candidates evaluated so far."""
        return len(self._records)

    @property
    def counts(self) -> "Counter[str]":
        """Evaluated candidates by status."""
        return Counter(record.outcome.status.value for record in self._records)

    @property
    def spent(self) -> float:
        """Seconds of search, summed over the workers."""
        return sum(record.seconds for record in self._records)

    @property
    def ranked(self) -> list[Record]:
        """Correct candidates, the fastest first."""
        correct = [record for record in self._records if record.outcome.ok]
        return sorted(correct, key=lambda record: record.outcome.overall)

    @property
    def first(self) -> Record | None:
        """The correct candidate that this worker learned of first."""
        return next((record for record in self._records if record.outcome.ok), None)

    @property
    def best(self) -> Record | None:
        """The fastest correct candidate."""
        return next(iter(self.ranked), None)

    def met(self, limits: Limits, exhaustive: bool) -> str | None:
        """The limit that is met, or None. A search that tries every point does not stall."""
        if limits.seconds is not None and self.spent >= limits.seconds:
            return f"{limits.seconds:.3g} s were spent"
        if limits.stall is not None and not exhaustive and self._since_improvement() >= limits.stall:
            return f"{limits.stall} trials brought no improvement"
        return None

    def seconds_left(self, seconds: float | None, trials: int | None) -> float | None:
        """An estimate of what is left of a budget in seconds and in trials; None where neither is limited."""
        estimates = [] if seconds is None else [max(seconds - self.spent, 0.0)]
        if trials is not None and self.done:
            estimates.append((trials - self.done) * self.spent / self.done)
        return min(estimates, default=None)

    def _since_improvement(self) -> int:
        best, since = float("inf"), 0
        for record in self._records:
            since += 1
            if record.outcome.ok and record.outcome.overall <= _IMPROVEMENT * best:
                best, since = record.outcome.overall, 0
        return since
