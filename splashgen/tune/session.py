"""One problem from its first trial to its stored winner."""

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from splashgen.compile import CompilePool
from splashgen.config import Config
from splashgen.gpu import Gpu
from splashgen.problem import Problem
from splashgen.store import Entry
from splashgen.tune.confirm import confirm, winner
from splashgen.tune.entries import winning_entry
from splashgen.tune.limits import Limits
from splashgen.tune.measure.bench import Bench
from splashgen.tune.measure.evaluate import Anchor, Trial
from splashgen.tune.measure.outcome import Outcome
from splashgen.tune.measure.standing import Standing
from splashgen.tune.pipeline import Pipeline
from splashgen.tune.processes import interrupt
from splashgen.tune.processes.process import CallLost
from splashgen.tune.search.progress import Progress
from splashgen.tune.search.search import Search
from splashgen.tune.search.terrain import Terrain, terrain_of
from splashgen.tune.show.events import Notify, ShootOutEnded, ShootOutStarted, TrialEnded
from splashgen.tune.study.journal import Journal
from splashgen.tune.study.records import Ticket

__all__ = ["Session", "Verdict"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a problem ended."""

    entry: Entry | None
    reason: str
    counts: "Counter[str]"
    finalists: tuple[Standing, ...] = ()
    """Who met at the end, and who failed the strictest gate."""


class Session:
    """The search on one problem, in the regime of its journal.

    Parameters
    ----------
    incumbent : Config, optional
        What the store answers so far: it holds its place unless beaten beyond noise.
    relatives : sequence of Config
        Good elsewhere, tried early.
    seconds_left : callable
        (share of this problem's search still to do, in seconds) → an estimate for all problems.
    terrain : Terrain, optional
        What is searched; the problem's family on the GPU if left out.
    """

    def __init__(
        self,
        problem: Problem,
        gpu: Gpu,
        limits: Limits,
        journal: Journal,
        bench: Bench,
        pool: CompilePool | None,
        notify: Notify,
        incumbent: Config | None = None,
        relatives: Sequence[Config] = (),
        seconds_left: Callable[[float], float] = lambda seconds: seconds,
        terrain: Terrain | None = None,
    ) -> None:
        self._problem, self._gpu, self._limits = problem, gpu, limits
        self._journal, self._bench, self._pool = journal, bench, pool
        self._notify, self._seconds_left = notify, seconds_left
        self._terrain = terrain or terrain_of(problem, gpu)
        self._default, self._incumbent = self._terrain.default, incumbent
        first = [incumbent or self._default, self._default, *relatives]
        self._search = Search(
            journal, self._terrain.space, problem, gpu, first, limits.trials, self._terrain.code_hash
        )
        self._progress = Progress(self._search.records)

    @property
    def trials(self) -> int | None:
        """The most that are evaluated; None if time is the only limit."""
        return self._search.trials

    @property
    def done(self) -> int:
        """Candidates evaluated so far, earlier runs included."""
        return self._progress.done

    def search(self) -> str:
        """Evaluate candidates until a limit is met or there are no more, and say which.

        Until the first is compiled there is nothing to time: that wait is no search, and counts for no limit.
        """
        with contextlib.closing(Pipeline(self._search, self._problem, self._gpu, self._pool)) as candidates:
            waiting = True
            if self._pool is not None:
                self._bench.prepare(self._gpu)
            while True:
                interrupt.look()
                reason = self._progress.met(self._limits, self._search.exhaustive)
                if reason is not None and not self._journal.waiting:
                    return reason
                began = time.monotonic()
                ticket, outcome = next(candidates, (None, None))
                if ticket is None:
                    return "every candidate was tried" if self._search.exhaustive else "all trials were made"
                if waiting:
                    began, waiting = time.monotonic(), False
                outcome = outcome or self._evaluated(ticket, candidates.top_up)
                if self._search.tell(ticket, outcome, time.monotonic() - began):
                    self._report(ticket.config, outcome)

    @property
    def counts(self) -> "Counter[str]":
        """Evaluated candidates by status."""
        return self._progress.counts

    @property
    def others_busy(self) -> bool:
        """Whether other workers are still evaluating candidates; what dead ones were at is queued again."""
        return self._search.others_busy()

    def verdict(self, reason: str) -> Verdict:
        """Confirm the best of what was found, and make the entry."""
        entry, objection, finalists = self._confirmed()
        return Verdict(entry, objection or reason, self.counts, finalists)

    def _evaluated(self, ticket: Ticket, meanwhile: Callable[[], None]) -> Outcome:
        """What the bench says of a candidate, which is given back if the tuner is stopped meanwhile."""
        first, best = self._progress.first, self._progress.best
        trial = Trial(
            self._problem,
            ticket.config,
            self._gpu,
            ticket.number,
            self._limits.timing_seconds,
            Anchor.of(first.config, first.outcome) if first else None,
            best.outcome.laps if best else (),
            self._journal.regime,
        )
        try:
            return self._bench.trial(trial, meanwhile)
        except BaseException:
            self._search.drop(ticket)
            raise

    def _report(self, config: Config, outcome: Outcome) -> None:
        left, best = self._progress.seconds_left(self._limits.seconds, self.trials), self._progress.best
        self._notify(
            TrialEnded(
                self._problem,
                self.done,
                self.trials,
                config,
                outcome,
                best.outcome.median if best else None,
                None if left is None else self._seconds_left(left),
                self._pool.pending if self._pool else 0,
                regime=self._journal.regime,
            )
        )

    def _confirmed(self) -> tuple[Entry | None, str, tuple[Standing, ...]]:
        """The entry of the winner, or None with the reason why there is none; and the finalists."""
        ranked = self._progress.ranked
        if not ranked:
            return None, "No candidate was correct" if self.done else "No candidate was evaluated", ()
        holder, regime = self._incumbent or self._default, self._journal.regime
        self._notify(ShootOutStarted(self._problem, regime=regime))
        try:
            standings, failed = confirm(
                self._bench,
                self._problem,
                self._gpu,
                (holder, self._default),
                [record.config for record in ranked],
                self.done,
                self._limits.shoot_out_seconds,
                regime,
            )
        except CallLost as error:
            return None, f"The shoot-out was lost. {error}", ()
        won = winner(standings, holder) if standings else None
        met = tuple(sorted(standings, key=lambda each: each.overall))
        config = won.config if won else None
        self._notify(ShootOutEnded(self._problem, met, tuple(failed), holder, config, regime=regime))
        finalists = *met, *failed
        if won is None:
            first = failed[0]
            objection = f"No finalist passed the final gate. {first.config}: {first.outcome.reason}"
            return None, objection, finalists
        code_hash = self._terrain.code_hash(won.config)
        entry = winning_entry(self._problem, regime, standings, won, self._default, code_hash, self.done)
        return entry, "", finalists
