"""`Known`: which candidates of a study were handed out, to whomever, and what became of them."""

from collections import deque
from collections.abc import Callable, Iterator

from splashgen.config import Config
from splashgen.tune.measure.outcome import Outcome
from splashgen.tune.study.records import Record
from splashgen.tune.study.watch import Claim, News

__all__ = ["Known"]


class Known:
    """One worker's view of all candidates; two whose code is the same count as one.

    Parameters
    ----------
    counts : callable
        Whether a result that another worker or an earlier run wrote down is of today's code.
    """

    def __init__(self, counts: Callable[[Record], bool] = lambda record: True) -> None:
        self._counts = counts
        self.configs: set[Config] = set()
        """Not to be handed out again."""
        self.outcomes: dict[str, Outcome | None] = {}
        """By code hash; None while it is being evaluated."""
        self.records: list[Record] = []
        """Evaluated candidates, in the order in which this worker learned of them."""
        self.best: Record | None = None
        """The fastest correct one."""
        self._given_back: deque[Config] = deque()

    @property
    def handed_out(self) -> int:
        """Candidates that cost or will cost an evaluation, those of other workers included."""
        return len(self.outcomes)

    def learn(self, news: News) -> None:
        """Take over what other workers did."""
        for claim in news.freed:
            self.free(claim)
        for claim in news.claims:
            self.configs.add(claim.config)
            self.outcomes.setdefault(claim.code_hash, None)
        for record in filter(self._counts, news.records):
            self.configs.add(record.config)
            if not record.free:
                self.note(record)

    def note(self, record: Record) -> None:
        """A candidate was evaluated."""
        self.records.append(record)
        self.outcomes[record.code_hash] = record.outcome
        if not record.outcome.ok:
            return
        if self.best is None or record.outcome.overall < self.best.outcome.overall:
            self.best = record

    def free(self, claim: Claim) -> None:
        """Forget a candidate that was begun and has no result; it may be handed out again."""
        if self.outcomes.get(claim.code_hash, claim) is None:
            del self.outcomes[claim.code_hash]
        self.configs.discard(claim.config)
        self._given_back.append(claim.config)

    def given_back(self) -> Iterator[Config]:
        """What was begun and has no result, each once."""
        while self._given_back:
            yield self._given_back.popleft()
