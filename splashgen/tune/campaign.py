"""`Campaign`: one worker on a list of problems, alone or beside others, until each has its winner."""

import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from splashgen.compile import CompilePool
from splashgen.config import Config
from splashgen.gpu import Gpu
from splashgen.problem import Problem
from splashgen.store import Entry, Regime, save
from splashgen.store.plain import plain_entry
from splashgen.store.saving import check_writable
from splashgen.tune.limits import Limits
from splashgen.tune.measure.bench import Bench
from splashgen.tune.processes import interrupt
from splashgen.tune.search.terrain import Terrain
from splashgen.tune.search.warm import Advice, incumbent, relatives, stored
from splashgen.tune.session import Session
from splashgen.tune.show.events import AdviceAsked, Interrupted, Notify, ProblemEnded, ProblemStarted
from splashgen.tune.show.report import Report
from splashgen.tune.study.journal import Journal
from splashgen.tune.study.outdated import is_used, winner_of

__all__ = ["Campaign", "Task"]

_POLL_SECONDS = 0.5
"""Between two looks at what other workers have still in hand."""


@dataclass(frozen=True, slots=True)
class Task:
    """A problem with its study, which has its regime."""

    problem: Problem
    journal: Journal
    limits: Limits
    """The budget of the problem, and with `total_seconds` of all."""
    terrain: Terrain | None = None
    """What is searched; the problem's family if left out."""


class Campaign:
    """Works on tasks in turn; where only others have something left to do, the next is taken up meanwhile.

    Parameters
    ----------
    tasks : sequence of Task
        What to tune, in this order.
    folder : Path, optional
        Where winners are stored, also those that another worker found; the user's config folder if left out.
    joined : bool
        It helps a tuner, which will confirm what an interruption leaves.
    advice : Advice, optional
        Asked when a search begins, if there is any.
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        gpu: Gpu,
        bench: Bench,
        pool: CompilePool | None,
        notify: Notify,
        folder: Path | None,
        joined: bool = False,
        advice: Advice | None = None,
    ) -> None:
        self._tasks, self._gpu = tuple(tasks), gpu
        self._bench, self._pool, self._notify = bench, pool, notify
        self._folder, self._joined, self._advice = folder, joined, advice
        self._began = time.monotonic()
        self._sessions: dict[int, Session] = {}
        self._started: dict[int, float] = {}
        self._ended: dict[int, ProblemEnded] = {}

    def run(self) -> Report:
        """Every problem to its end; Ctrl-C ends the search, confirms and stores the best so far."""
        with interrupt.deferred():
            return self._run()

    def _run(self) -> Report:
        left, fruitless = deque(range(len(self._tasks))), 0
        while left:
            place = left.popleft()
            try:
                interrupt.look()
                done = self._advance(place)
            except KeyboardInterrupt:
                confirms, task = not self._joined and place in self._sessions, self._tasks[place]
                self._notify(Interrupted(task.problem, confirms, regime=task.journal.regime))
                if confirms:
                    self._conclude(place, "it was interrupted", interrupted=True)
                return self._report(interrupted=True)
            if done:
                fruitless = 0
                continue
            left.append(place)
            fruitless += 1
            if fruitless >= len(left):
                interrupt.pause(_POLL_SECONDS)
        return self._report(interrupted=interrupt.noted())

    def _report(self, interrupted: bool = False) -> Report:
        return Report(tuple(self._ended[place] for place in sorted(self._ended)), interrupted)

    def _advance(self, place: int) -> bool:
        """Work on a problem; False if others are still at its last candidates or at its winner."""
        journal = self._tasks[place].journal
        if journal.finished is not None:
            self._take_over(place)
            return True
        session = self._session(place)
        reason = session.search()
        if session.others_busy:
            return False
        with journal.closing() as ours:
            if not ours:
                return False
            if journal.finished is None:
                self._conclude(place, reason)
                return True
        self._take_over(place)
        return True

    def _session(self, place: int) -> Session:
        if place not in self._sessions:
            check_writable(self._folder)
            self._started[place] = time.monotonic()
            problem, number = self._tasks[place].problem, len(self._tasks)
            regime = self._tasks[place].journal.regime
            limits = self._tasks[place].limits.share(time.monotonic() - self._began, number - place)
            clock = _Clock(self._began, place + 1, number, limits)
            session = self._sessions[place] = Session(
                problem,
                self._gpu,
                limits,
                self._tasks[place].journal,
                self._bench,
                self._pool,
                self._notify,
                incumbent(problem, self._gpu, self._folder, regime),
                (*self._advised(problem, regime), *relatives(problem, self._gpu, regime)),
                clock.left,
                self._tasks[place].terrain,
            )
            started = ProblemStarted(problem, place + 1, number, session.trials, session.done, regime=regime)
            self._notify(started)
        return self._sessions[place]

    def _advised(self, problem: Problem, regime: Regime) -> Sequence[Config]:
        if self._advice is None:
            return ()
        self._notify(AdviceAsked(problem, regime=regime))
        return self._advice(problem, regime)

    def _conclude(self, place: int, reason: str, interrupted: bool = False) -> None:
        """Find the winner, store it, and only then close the study: a kill in between loses neither."""
        task = self._tasks[place]
        verdict = self._sessions[place].verdict(reason)
        path = save(self._gpu, [verdict.entry], self._folder) if verdict.entry else None
        seconds = round(time.monotonic() - self._started[place], 2)
        if verdict.entry and not interrupted:
            entry = plain_entry(verdict.entry)
            result = {"entry": entry, "reason": verdict.reason, "seconds": seconds}
            task.journal.finish(result | {"finalists": [each.as_dict() for each in verdict.finalists]})
        self._end(place, verdict.entry, path, verdict.reason, False, verdict.counts, seconds)

    def _take_over(self, place: int) -> None:
        """The winner that an earlier run or another worker found; it is stored where it is missing."""
        task = self._tasks[place]
        finished = task.journal.finished
        assert finished is not None
        entry = winner_of(finished)
        found = stored(task.problem, self._gpu, self._folder, task.journal.regime)
        before = place not in self._sessions
        if found is not None and is_used(found[1]) and (before or found[1].config == entry.config):
            path = found[0]
        else:
            path = save(self._gpu, [entry], self._folder)
        counts: Counter[str] = Counter() if before else self._sessions[place].counts
        self._end(place, entry, path, finished["reason"], before, counts, finished.get("seconds"))

    def _end(
        self,
        place: int,
        entry: Entry | None,
        path: Path | None,
        reason: str,
        skipped: bool,
        counts: "Counter[str]",
        seconds: float | None,
    ) -> None:
        task = self._tasks[place]
        regime = task.journal.regime
        ended = ProblemEnded(task.problem, entry, path, reason, skipped, counts, seconds, regime=regime)
        self._ended[place] = ended
        self._notify(ended)


@dataclass(frozen=True, slots=True)
class _Clock:
    """Estimates when all problems are done, from how long the earlier ones took."""

    began: float
    place: int
    problems: int
    limits: Limits

    def left(self, seconds: float) -> float:
        spent = time.monotonic() - self.began
        each = (spent + seconds) / self.place + self.limits.shoot_out_seconds
        return seconds + self.limits.shoot_out_seconds + (self.problems - self.place) * each
