"""`Search`: which candidate comes next. All of a small space, else what promises most, and Optuna's TPE."""

import contextlib
import itertools
import random
from collections.abc import Callable, Sequence

from splashgen.config import Config
from splashgen.gpu import Gpu
from splashgen.problem import Problem
from splashgen.render import render
from splashgen.space import Space
from splashgen.tune.database.mutex import MutexLost
from splashgen.tune.measure.evaluate import rejected
from splashgen.tune.measure.outcome import Outcome, Status
from splashgen.tune.search.climb import first_step, step
from splashgen.tune.search.known import Known
from splashgen.tune.search.points import Points
from splashgen.tune.study.journal import Journal
from splashgen.tune.study.records import Record, Ticket
from splashgen.tune.study.watch import Claim

__all__ = ["Search"]

_EXHAUSTIVE = 500
"""Points that are all tried where the number of trials is not limited, and of which TPE would repeat most."""
_GLOBAL = 8
"""Of so many candidates of a larger space one is TPE's; the others promise most (`climb`).
On a space of 10^7 points around a good default, 40 trials of TPE alone found nothing better on an H100."""
_ELSEWHERE = 200
"""Random points that are weighed beside the steps from the best."""
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
        Tried before all others: the start, around which a large space is searched, then relatives.
    trials : int, optional
        How many candidates may be evaluated, those of the journal included.
    code_hash : callable, optional
        Config → the hash of its code; that of the rendered file if left out.
    """

    def __init__(
        self,
        journal: Journal,
        space: Space,
        problem: Problem,
        gpu: Gpu,
        first: Sequence[Config],
        trials: int | None,
        code_hash: Callable[[Config], str] | None = None,
    ) -> None:
        self._journal, self._space, self._points = journal, space, Points(space, problem, gpu)
        self._code_hash = code_hash or (lambda config: render(problem, config).hash)
        self._known = Known(self._is_of_today)
        most = trials or _EXHAUSTIVE
        count = self._points.count(max(most, _EXHAUSTIVE))
        self.exhaustive = count <= most
        """Whether every feasible point is tried."""
        self.trials = count if self.exhaustive else trials
        """How many candidates will be evaluated at most; None if there is no limit."""
        self._large = count > _EXHAUSTIVE and not self.exhaustive
        seed = journal.chances
        self._chance, self._rest = random.Random(seed), self._points.shuffled(random.Random(seed))
        feasible = [config for config in dict.fromkeys(first) if config in self._points]
        self._start, self._first = next(iter(feasible), None), iter(feasible)
        self._fruitless = self._droughts = self._ration = 0
        with contextlib.suppress(MutexLost), journal.turn() as news:
            self._known.learn(news)

    @property
    def handed_out(self) -> int:
        """Candidates that cost or will cost an evaluation, those of other workers included."""
        return self._known.handed_out

    @property
    def records(self) -> Sequence[Record]:
        """Evaluated candidates, in the order in which this worker learned of them."""
        return self._known.records

    def next(self) -> Ticket | None:
        """The next candidate to evaluate, or None when there are no more: none is handed to two workers."""
        while True:
            ticket: Ticket | None = None
            try:
                with self._journal.turn() as news:
                    self._known.learn(news)
                    ticket = self._next()
            except MutexLost:  # another worker may have been handed the same
                if ticket is not None:
                    self.drop(ticket)
            else:
                return ticket

    def _next(self) -> Ticket | None:
        while self.trials is None or self.handed_out < self.trials:
            ticket = self._proposal()
            if ticket is None:
                return None
            code_hash = self._admitted(ticket)
            if code_hash is not None:
                self._fruitless = 0
                self._journal.claim(ticket, code_hash)
                self._known.outcomes[code_hash] = None
                return ticket
            self._fruitless += 1
        return None

    def tell(self, ticket: Ticket, outcome: Outcome, seconds: float) -> bool:
        """Write down the result of a candidate that `next` returned; False if it does not count.

        It does not if this worker was taken for dead and another one has the candidate now.
        """
        code_hash = self._code_hash(ticket.config)
        counts = self._journal.tell(ticket, outcome, code_hash, seconds)
        if counts:
            self._known.note(Record(ticket.config, code_hash, outcome, seconds, free=False))
        return counts

    def drop(self, ticket: Ticket) -> None:
        """Take a candidate back that will not be evaluated."""
        self._known.free(Claim(ticket.config, self._code_hash(ticket.config)))
        self._journal.drop(ticket)

    def others_busy(self) -> bool:
        """Whether other workers are at candidates of this study."""
        with contextlib.suppress(MutexLost), self._journal.turn() as news:
            self._known.learn(news)
            busy = self._journal.others_busy
            self._known.learn(self._journal.news())  # what ended between the two looks would go unnoticed
            return busy
        return True

    def _proposal(self) -> Ticket | None:
        if self._journal.waiting:
            return self._journal.propose()
        for config in self._first:
            if config not in self._known.configs:
                return self._journal.take(config)
        if not self.exhaustive and not (self._large and self.handed_out % _GLOBAL == 0):
            promising = self._around_start() or self._promising()
            if promising is not None:
                return self._journal.take(promising)
        if self._large and self._fruitless >= _FRUITLESS:
            self._droughts += 1
            self._ration, self._fruitless = 2**self._droughts, 0
        if self._large and self._ration == 0:
            return self._journal.propose()
        for config in itertools.chain(self._known.given_back(), self._rest):
            if config not in self._known.configs:
                self._ration -= 1
                return self._journal.take(config)
        return None

    def _around_start(self) -> Config | None:
        """What differs from the start in one parameter: two changed at once teach little of either.

        While nothing was timed, for candidates compile side by side, and many are asked for before. In a
        large space until all of it was tried, or half of the trials.
        """
        if self._start is None:
            return None
        enough = self.trials is not None and 2 * self.handed_out >= self.trials
        if self._known.best is not None and (enough or not self._large):
            return None
        return first_step(self._space, self._start, self._untried, self._chance)

    def _promising(self) -> Config | None:
        elsewhere = self._points.some(_ELSEWHERE, self._chance)
        return step(self._space, self.records, elsewhere, self._untried, self._chance)

    def _untried(self, config: Config) -> bool:
        return config not in self._known.configs and self._points.objection(config) is None

    def _is_of_today(self, record: Record) -> bool:
        """Whether its code is what is rendered now: templates may have changed since the study began."""
        if not record.code_hash:  # it was ruled out before it had any
            return True
        try:
            return self._code_hash(record.config) == record.code_hash
        except Exception:  # a template may refuse a config in many ways
            return False

    def _admitted(self, ticket: Ticket) -> str | None:
        """The code hash of a candidate worth evaluating; others are written down at once, for free."""
        if ticket.config in self._known.configs and not self.exhaustive:
            self._journal.drop(ticket)
            return None
        self._known.configs.add(ticket.config)
        objection = self._points.objection(ticket.config)
        if objection is not None:
            self._journal.tell(ticket, Outcome(Status.DOES_NOT_FIT, objection), "", free=True)
            return None
        try:
            code_hash = self._code_hash(ticket.config)
        except Exception as error:  # a template may refuse a config in many ways
            self._journal.tell(ticket, rejected(error), "", free=True)
            return None
        if code_hash not in self._known.outcomes:
            return code_hash
        twin = self._known.outcomes[code_hash]
        if twin is None:  # still being evaluated
            self._journal.drop(ticket)
        else:
            self._journal.tell(ticket, twin, code_hash, free=True)
        return None
