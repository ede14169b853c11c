"""One problem from its first trial to its stored winner."""

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from splashgen.compile import CompilePool
from splashgen.config import Config
from splashgen.gpu import Gpu
from splashgen.problem import Problem
from splashgen.store import Entry, RunnerUp, Status, Timing
from splashgen.tune import interrupt
from splashgen.tune.bench import Bench
from splashgen.tune.confirm import Standing, confirm, winner
from splashgen.tune.evaluate import Trial
from splashgen.tune.events import Notify, ShootOutStarted, TrialEnded
from splashgen.tune.journal import Journal
from splashgen.tune.limits import Limits
from splashgen.tune.noise import Interval
from splashgen.tune.outcome import Outcome
from splashgen.tune.pipeline import prepared
from splashgen.tune.process import CallLost
from splashgen.tune.records import Record, Ticket
from splashgen.tune.search import Search
from splashgen.tune.terrain import Terrain, terrain_of

__all__ = ["Session", "Verdict"]

_IMPROVEMENT = 0.99
"""A time counts as an improvement if it is at most this part of the best before."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a problem ended."""

    entry: Entry | None
    reason: str
    counts: "Counter[str]"


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
        first = [self._default, *([incumbent] if incumbent else []), *relatives]
        self._search = Search(
            journal, self._terrain.space, problem, gpu, first, limits.trials, self._terrain.code_hash
        )
        self._records = self._search.records

    @property
    def trials(self) -> int | None:
        """The most that are evaluated; None if time is the only limit."""
        return self._search.trials

    @property
    def done(self) -> int:
        """Candidates evaluated so far, earlier runs included."""
        return len(self._records)

    def search(self) -> str:
        """Evaluate candidates until a limit is met or there are no more, and say which."""
        with contextlib.closing(prepared(self._search, self._problem, self._gpu, self._pool)) as candidates:
            while True:
                interrupt.look()
                reason = self._met()
                if reason is not None and not self._journal.waiting:
                    return reason
                began = time.monotonic()
                ticket, outcome = next(candidates, (None, None))
                if ticket is None:
                    return "every candidate was tried" if self._search.exhaustive else "all trials were made"
                outcome = outcome or self._evaluated(ticket)
                if self._search.tell(ticket, outcome, time.monotonic() - began):
                    self._report(ticket.config, outcome)

    @property
    def counts(self) -> "Counter[str]":
        """Evaluated candidates by status."""
        return Counter(record.outcome.status.value for record in self._records)

    @property
    def others_busy(self) -> bool:
        """Whether other workers are still evaluating candidates; what dead ones were at is queued again."""
        return self._search.others_busy()

    def verdict(self, reason: str) -> Verdict:
        """Confirm the best of what was found, and make the entry."""
        entry, objection = self._confirmed()
        return Verdict(entry, objection or reason, self.counts)

    def _evaluated(self, ticket: Ticket) -> Outcome:
        """What the bench says of a candidate, which is given back if the tuner is stopped meanwhile."""
        seconds, ranked = self._limits.timing_seconds, self._ranked()
        best = ranked[0].outcome.laps if ranked else ()
        regime = self._journal.regime
        trial = Trial(self._problem, ticket.config, self._gpu, ticket.number, seconds, best, regime)
        try:
            return self._bench.trial(trial)
        except BaseException:
            self._search.drop(ticket)
            raise

    @property
    def _spent(self) -> float:
        """Seconds of search, summed over the workers."""
        return sum(record.seconds for record in self._records)

    def _met(self) -> str | None:
        """The limit that is met, or None."""
        if self._limits.seconds is not None and self._spent >= self._limits.seconds:
            return f"{self._limits.seconds:.3g} s were spent"
        stall = self._limits.stall
        if stall is not None and not self._search.exhaustive and self._since_improvement() >= stall:
            return f"{stall} trials brought no improvement"
        return None

    def _since_improvement(self) -> int:
        best, since = float("inf"), 0
        for record in self._records:
            since += 1
            if record.outcome.ok and record.outcome.median <= _IMPROVEMENT * best:
                best, since = record.outcome.median, 0
        return since

    def _ranked(self) -> list[Record]:
        correct = [record for record in self._records if record.outcome.ok]
        return sorted(correct, key=lambda record: record.outcome.median)

    def _best_ms(self) -> float | None:
        ranked = self._ranked()
        return ranked[0].outcome.median if ranked else None

    def _report(self, config: Config, outcome: Outcome) -> None:
        trials, seconds, spent = self._search.trials, self._limits.seconds, self._spent
        estimates = [] if seconds is None else [max(seconds - spent, 0.0)]
        if trials is not None:
            estimates.append((trials - self.done) * spent / self.done)
        left = self._seconds_left(min(estimates)) if estimates else None
        self._notify(
            TrialEnded(
                self._problem,
                self.done,
                trials,
                config,
                outcome,
                self._best_ms(),
                left,
                self._pool.pending if self._pool else 0,
                regime=self._journal.regime,
            )
        )

    def _confirmed(self) -> tuple[Entry | None, str]:
        """The entry of the winner, or None with the reason why there is none."""
        ranked = self._ranked()
        if not ranked:
            return None, "No candidate was correct" if self._records else "No candidate was evaluated"
        holder = self._incumbent or self._default
        self._notify(ShootOutStarted(self._problem, regime=self._journal.regime))
        try:
            standings, failed = confirm(
                self._bench,
                self._problem,
                self._gpu,
                (holder, self._default),
                [record.config for record in ranked],
                self.done,
                self._limits.shoot_out_seconds,
                self._journal.regime,
            )
        except CallLost as error:
            return None, f"The shoot-out was lost. {error}"
        if not standings:
            return None, f"No finalist passed the final gate. {failed[0].config}: {failed[0].outcome.reason}"
        return self._entry(standings, winner(standings, holder)), ""

    def _entry(self, standings: Sequence[Standing], won: Standing) -> Entry:
        times = {standing.config: _timing(standing.time) for standing in standings}
        others = [standing for standing in standings if standing.config != won.config]
        second = min(others, key=lambda standing: standing.time.median, default=None)
        return Entry(
            problem=self._problem,
            config=won.config,
            code_hash=self._terrain.code_hash(won.config),
            status=Status.MEASURED,
            time_ms=times[won.config],
            error=won.outcome.errors,
            trials=self.done,
            tuned_at=date.today().isoformat(),
            regime=self._journal.regime,
            default_time_ms=times.get(self._default),
            runner_up=RunnerUp(second.config, times[second.config]) if second else None,
        )


def _timing(interval: Interval) -> Timing:
    return Timing(interval.median, interval.low, interval.high)
