"""`Search`: which candidate comes next. All of a small space, otherwise what Optuna's TPE proposes."""

import itertools
import random
import zlib
from collections.abc import Iterator, Sequence

from splashgen.config import Config
from splashgen.gpu import Gpu
from splashgen.problem import Problem
from splashgen.render import render
from splashgen.space import Space
from splashgen.tune.evaluate import rejected
from splashgen.tune.journal import Journal, Ticket
from splashgen.tune.outcome import Outcome, Status

__all__ = ["Search"]

_EXHAUSTIVE = 500
"""Points that are all tried where the number of trials is not limited."""
_GLOBAL = 3
"""Of so many candidates one is TPE's; the others step from the best so far, one parameter at a time.
On a space of 10^7 points around a good default, 40 trials of TPE alone found nothing better on an H100."""
_LISTED = 50_000
"""Points up to which a space is listed; of a larger one, points are drawn."""
_FRUITLESS = 12
"""Proposals in a row that are infeasible or known, after which some untried points are taken; each time
twice as many, because a sampler that has seen the best of a space proposes little else."""


class Search:
    """Hands out candidates that are feasible and whose code no earlier candidate had.

    Parameters
    ----------
    journal : Journal
        Where candidates and results are written; what it has is not handed out again.
    first : sequence of Config
        Tried before all others: the default, the incumbent, relatives.
    trials : int, optional
        How many candidates may be evaluated, those of the journal included.
    """

    def __init__(
        self,
        journal: Journal,
        space: Space,
        problem: Problem,
        gpu: Gpu,
        first: Sequence[Config],
        trials: int | None,
    ) -> None:
        self._journal, self._space, self._problem, self._gpu = journal, space, problem, gpu
        records = journal.records()
        self._known = {record.config for record in records}
        self._outcomes: dict[str, Outcome | None] = {
            record.code_hash: record.outcome for record in records if not record.free
        }
        self.handed_out = sum(not record.free for record in records)
        """Candidates that cost or will cost an evaluation."""
        few = list(itertools.islice(space.feasible(problem, gpu), (trials or _EXHAUSTIVE) + 1))
        self.exhaustive = len(few) <= (trials or _EXHAUSTIVE)
        """Whether every feasible point is tried."""
        self.trials = len(few) if self.exhaustive else trials
        """How many candidates will be evaluated at most; None if there is no limit."""
        self._rest = self._shuffled()
        self._first = iter([config for config in dict.fromkeys(first) if self._belongs(config)])
        self._fruitless = self._droughts = self._ration = 0
        self._chance = random.Random(zlib.crc32(journal.name.encode()))
        self._best: tuple[float, Config] | None = None
        for record in records:
            self._consider(record.config, record.outcome)

    def next(self) -> Ticket | None:
        """The next candidate to evaluate, or None when there are no more."""
        while self.trials is None or self.handed_out < self.trials:
            ticket = self._proposal()
            if ticket is None:
                return None
            code_hash = self._admitted(ticket)
            if code_hash is not None:
                self._fruitless = 0
                self._outcomes[code_hash] = None
                self.handed_out += 1
                return ticket
            self._fruitless += 1
        return None

    def tell(self, ticket: Ticket, outcome: Outcome, seconds: float) -> None:
        """Write down the result of a candidate that `next` returned."""
        code_hash = render(self._problem, ticket.config).hash
        self._outcomes[code_hash] = outcome
        self._consider(ticket.config, outcome)
        self._journal.tell(ticket, outcome, code_hash, seconds)

    def drop(self, ticket: Ticket) -> None:
        """Take a candidate back that will not be evaluated."""
        self.handed_out -= 1
        self._journal.drop(ticket)

    def _proposal(self) -> Ticket | None:
        for config in self._first:
            if config not in self._known:
                return self._journal.take(config)
        if not self.exhaustive and self.handed_out % _GLOBAL:
            for config in self._neighbours():
                return self._journal.take(config)
        if not self.exhaustive and self._fruitless == _FRUITLESS:
            self._droughts += 1
            self._ration, self._fruitless = 2**self._droughts, 0
        if not self.exhaustive and self._ration == 0:
            return self._journal.propose()
        for config in self._rest:
            if config not in self._known:
                self._ration -= 1
                return self._journal.take(config)
        return None

    def _consider(self, config: Config, outcome: Outcome) -> None:
        if outcome.ok and (self._best is None or outcome.median < self._best[0]):
            self._best = (outcome.median, config)

    def _neighbours(self) -> Iterator[Config]:
        """What differs from the best so far in one parameter and was not tried, in random order."""
        if self._best is None:
            return
        best = self._best[1]
        changes = [(name, value) for name, values in self._space.choices.items() for value in values]
        self._chance.shuffle(changes)
        for name, value in changes:
            config = best.replace(**{name: value})
            if config not in self._known and self._objection(config) is None:
                yield config

    def _admitted(self, ticket: Ticket) -> str | None:
        """The code hash of a candidate worth evaluating; others are written down at once, for free."""
        if ticket.config in self._known and not self.exhaustive:
            self._journal.drop(ticket)
            return None
        self._known.add(ticket.config)
        objection = self._objection(ticket.config)
        if objection is not None:
            self._journal.tell(ticket, Outcome(Status.DOES_NOT_FIT, objection), "", free=True)
            return None
        try:
            code_hash = render(self._problem, ticket.config).hash
        except Exception as error:  # a template may refuse a config in many ways
            self._journal.tell(ticket, rejected(error), "", free=True)
            return None
        if code_hash not in self._outcomes:
            return code_hash
        twin = self._outcomes[code_hash]
        if twin is None:  # still being evaluated
            self._journal.drop(ticket)
        else:
            self._journal.tell(ticket, twin, code_hash, free=True)
        return None

    def _belongs(self, config: Config) -> bool:
        """Whether the config is a feasible point: the default need not be one of a narrowed space."""
        try:
            member = self._space.member(config.as_dict())
        except ValueError:
            return False
        return member == config and self._objection(config) is None

    def _objection(self, config: Config) -> str | None:
        return self._space.objection(self._problem, self._gpu, config)

    def _shuffled(self) -> Iterator[Config]:
        """Every feasible point in an order that does not depend on the run but for the study's name."""
        chance = random.Random(zlib.crc32(self._journal.name.encode()))
        if self._space.size > _LISTED:
            return self._space.draws(self._problem, self._gpu, chance)
        points = list(self._space.feasible(self._problem, self._gpu))
        chance.shuffle(points)
        return iter(points)
