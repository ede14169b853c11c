"""Compiling ahead: while one candidate is timed, the next ones compile on other cores."""

import os
from collections.abc import Generator
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

__all__ = ["compile_pool", "prepared", "settled"]

_DEEPEST = 16
"""Candidates asked for ahead of results: more would leave the sampler in the dark."""


def compile_pool(gpu: Gpu, limit_s: float) -> CompilePool | None:
    """A pool that leaves a core to the timing, or None where nothing is compiled."""
    return None if gpu.backend == "cpu" else CompilePool(_processes(), limit_s)


def _processes() -> int:
    return min(max((os.cpu_count() or 1) - 1, 1), _DEEPEST)


def prepared(
    search: "Search", problem: Problem, gpu: Gpu, pool: CompilePool | None
) -> Generator[tuple["Ticket", Outcome | None], None, None]:
    """Candidates as they become ready, each with the outcome if its compilation settled it.

    Closing the iterator takes back what was handed out and not yet yielded.
    """
    if pool is None:
        while ticket := search.next():
            yield ticket, None
        return
    compiling: dict[Future[Any], Ticket] = {}
    try:
        while True:
            while len(compiling) < _processes() and (ticket := search.next()):
                compiling[pool.submit(Job(problem, ticket.config, gpu))] = ticket
            if not compiling:
                return
            done = interrupt.until(lambda seconds: wait(compiling, seconds, FIRST_COMPLETED).done)
            # The one that was asked for first: the default comes early.
            ready = next(future for future in compiling if future in done)
            yield compiling.pop(ready), settled(ready, gpu)
    finally:
        for future, ticket in compiling.items():
            future.cancel()
            search.drop(ticket)


def settled(future: "Future[Any]", gpu: Gpu) -> Outcome | None:
    """The outcome of a candidate that does not compile or does not fit, or None if it can run."""
    try:
        objection = fits(future.result(), gpu)
    except KernelError as error:
        return Outcome(Status.FAILED, str(error))
    return None if objection is None else Outcome(Status.DOES_NOT_FIT, objection)
