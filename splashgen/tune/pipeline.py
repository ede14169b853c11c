"""Compiling ahead: while one candidate is timed, the next ones compile on other cores."""

import os
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import TYPE_CHECKING, Any

from splashgen.compile import CompilePool, Job, fits
from splashgen.errors import KernelError
from splashgen.gpu import Gpu
from splashgen.problem import Problem
from splashgen.tune.measure.outcome import Outcome, Status
from splashgen.tune.processes import interrupt

if TYPE_CHECKING:  # recording needs no Optuna
    from splashgen.tune.search.search import Search
    from splashgen.tune.study.records import Ticket

__all__ = ["Pipeline", "compile_pool", "settled"]

_DEEPEST = 16
"""Candidates asked for ahead of results: more would leave the sampler in the dark."""


def compile_pool(gpu: Gpu, limit_s: float) -> CompilePool | None:
    """A pool that leaves a core to the timing, or None where nothing is compiled."""
    return None if gpu.backend == "cpu" else CompilePool(_processes(), limit_s)


def _processes() -> int:
    return min(max((os.cpu_count() or 1) - 1, 1), _DEEPEST)


class Pipeline:
    """Candidates as they become ready, each with the outcome if its compilation settled it.

    Parameters
    ----------
    pool : CompilePool, optional
        Where they compile ahead; without one they come as the search proposes them.
    """

    def __init__(self, search: "Search", problem: Problem, gpu: Gpu, pool: CompilePool | None) -> None:
        self._search, self._problem, self._gpu, self._pool = search, problem, gpu, pool
        self._compiling: dict[Future[Any], Ticket] = {}
        self._begun = False

    def __iter__(self) -> "Pipeline":
        return self

    def __next__(self) -> tuple["Ticket", Outcome | None]:
        if self._pool is None:
            ticket = self._search.next()
            if ticket is None:
                raise StopIteration
            return ticket, None
        self.top_up()
        if not self._compiling:
            raise StopIteration
        # The very first is where the search starts, and what all others are compared with.
        awaited = list(self._compiling)[: None if self._begun else 1]
        done = interrupt.until(lambda seconds: wait(awaited, seconds, FIRST_COMPLETED).done)
        self._begun = True
        # The one that was asked for first: the default comes early.
        ready = next(future for future in awaited if future in done)
        return self._compiling.pop(ready), settled(ready, self._gpu)

    def top_up(self) -> None:
        """Ask for as many candidates as may compile at a time."""
        if self._pool is None:
            return
        while len(self._compiling) < _processes() and (ticket := self._search.next()):
            self._compiling[self._pool.submit(Job(self._problem, ticket.config, self._gpu))] = ticket

    def close(self) -> None:
        """Take back what was handed out and did not come out."""
        while self._compiling:
            future, ticket = self._compiling.popitem()
            future.cancel()
            self._search.drop(ticket)


def settled(future: "Future[Any]", gpu: Gpu) -> Outcome | None:
    """The outcome of a candidate that does not compile or does not fit, or None if it can run."""
    try:
        objection = fits(future.result(), gpu)
    except KernelError as error:
        return Outcome(Status.FAILED, str(error))
    return None if objection is None else Outcome(Status.DOES_NOT_FIT, objection)
