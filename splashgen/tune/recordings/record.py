"""`record`: measure every candidate of a space, for replays and for whoever fits a cost model."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import ExitStack
from dataclasses import replace
from itertools import islice
from pathlib import Path
from random import Random

from splashgen.compile import CompiledKernel, CompilePool, Job
from splashgen.config import Config
from splashgen.gpu import Gpu
from splashgen.problem import Problem
from splashgen.render import render
from splashgen.space import Space
from splashgen.store import current
from splashgen.tune.measure.bench import Bench, Tools
from splashgen.tune.measure.evaluate import Anchor, Trial
from splashgen.tune.pipeline import compile_pool, settled
from splashgen.tune.recordings.files import RecordingError, append, begin, mend, read
from splashgen.tune.recordings.kernels import resources_of
from splashgen.tune.recordings.recording import Head, Recording, Row

__all__ = ["record"]

_AHEAD = 32
"""Candidates that compile or wait for the device."""
_SEED = 1
"""Every candidate sits the same exam, whose truths are then worked out once."""

Told = Callable[[Row, int, int], None]
"""(row, rows so far, points)"""


def record(
    problem: Problem,
    gpu: Gpu,
    space: Space,
    default: Config,
    path: Path,
    *,
    seconds: float | None = None,
    timing_seconds: float = 0.1,
    candidate_seconds: float = 60.0,
    tools: Tools | None = None,
    told: Told = lambda row, done, points: None,
) -> Recording:
    """Judge and time each candidate of distinct code once, the default first, the others in random order.

    What the file has already is not measured again, so a recording that was stopped goes on.

    Parameters
    ----------
    problem : Problem
        What is computed, at its length bucket.
    gpu : Gpu
        The device of this machine.
    space : Space
        What is recorded; see `varied`.
    default : Config
        One of its points.
    path : Path
        Where the recording is, or will be.
    seconds : float, optional
        After which no further candidate is begun.
    timing_seconds : float
        Spent on repetitions of one candidate.
    candidate_seconds : float
        After which a candidate counts as hung.
    tools : Tools, optional
        What the worker runs; real kernels if left out.
    told : callable
        Is told each row.

    Raises
    ------
    RecordingError
        If the file holds another recording: of another problem, device, space or version.
    """
    began = time.monotonic()
    todo = _distinct(problem, gpu, space, default)
    head = Head(problem, gpu, space.family, space.choices, default, len(todo), timing_seconds, current())
    recording = _taken_up(path, head)
    rows = list(recording.rows)
    for row in rows:
        todo.pop(row.code_hash, None)
    timed = [row for row in rows if row.outcome.ok]
    with ExitStack() as stack:
        bench = stack.enter_context(Bench(tools or Tools(), candidate_seconds))
        pool = compile_pool(gpu, candidate_seconds)
        if pool is not None:
            stack.enter_context(pool)
        for code_hash, config, compiled in _compiled(problem, gpu, todo, pool):
            if seconds is not None and time.monotonic() - began >= seconds:
                break
            outcome = None if compiled is None else settled(compiled, gpu)
            if outcome is None:
                anchor = Anchor.of(timed[0].config, timed[0].outcome) if timed else None
                best = min(timed, key=_overall).outcome.laps if timed else ()
                outcome = bench.trial(Trial(problem, config, gpu, _SEED, timing_seconds, anchor, best))
            row = Row(config, code_hash, outcome, () if compiled is None else resources_of(compiled))
            append(path, head, row)
            rows.append(row)
            if outcome.ok:
                timed.append(row)
            told(row, len(rows), head.points)
    return Recording(recording.head, tuple(rows))


def _overall(row: Row) -> float:
    return row.outcome.overall


def _distinct(problem: Problem, gpu: Gpu, space: Space, default: Config) -> dict[str, Config]:
    """Feasible configs by the hash of their code, in the order in which they are measured."""
    feasible = list(space.feasible(problem, gpu))
    Random(0).shuffle(feasible)
    distinct: dict[str, Config] = {}
    for config in (default, *feasible):
        distinct.setdefault(render(problem, config).hash, config)
    return distinct


def _taken_up(path: Path, head: Head) -> Recording:
    """What the file has, or a new file."""
    if not path.exists():
        begin(path, head)
        return Recording(head, ())
    mend(path)
    recording = read(path)
    # A recording goes on another day.
    if replace(recording.head, made=replace(recording.head.made, date=head.made.date)) != head:
        raise RecordingError(
            f"{path} holds a recording of something else: another problem, device, space, timing or version. "
            "Name another file, or delete this one."
        )
    return recording


def _compiled(
    problem: Problem, gpu: Gpu, todo: dict[str, Config], pool: CompilePool | None
) -> Iterator[tuple[str, Config, "Future[tuple[CompiledKernel, ...]] | None"]]:
    """Candidates as they become ready; without a pool there is nothing to wait for."""
    if pool is None:
        yield from ((code_hash, config, None) for code_hash, config in todo.items())
        return
    waiting = iter(todo.items())
    compiling: dict[Future[tuple[CompiledKernel, ...]], tuple[str, Config]] = {}
    while True:
        for code_hash, config in islice(waiting, _AHEAD - len(compiling)):
            compiling[pool.submit(Job(problem, config, gpu, counted=True))] = (code_hash, config)
        if not compiling:
            return
        done, _ = wait(compiling, return_when=FIRST_COMPLETED)
        ready = next(future for future in compiling if future in done)
        yield *compiling.pop(ready), ready
