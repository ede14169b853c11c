"""`tune`: problems in, stored winners out; whatever stops it, the same call goes on where it stopped."""

import contextlib
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from splashgen.compile import CompilePool
from splashgen.families import family_for
from splashgen.gpu import Gpu
from splashgen.problem import Problem
from splashgen.store import Entry, save
from splashgen.store.schema import EntryModel, plain_entry
from splashgen.tune.bench import Bench, Tools
from splashgen.tune.device import GpuBusyError, exclusive
from splashgen.tune.events import Event, Notify, ProblemEnded, ProblemStarted
from splashgen.tune.journal import Journal, open_storage, state_folder
from splashgen.tune.limits import Limits
from splashgen.tune.noise import geometric_mean
from splashgen.tune.pipeline import compile_pool
from splashgen.tune.session import Session
from splashgen.tune.target import choose_gpu
from splashgen.tune.warm import incumbent, relatives, stored

__all__ = ["GpuBusyError", "Report", "tune"]


@dataclass(frozen=True, slots=True)
class Report:
    """What a run of the tuner came to."""

    ended: tuple[ProblemEnded, ...]
    """In the order of the problems; those that an interruption left out are missing."""
    interrupted: bool = False

    @property
    def speed_up(self) -> float | None:
        """Geometric mean of default time / tuned time over the problems that have a winner."""
        gains = [ended.speed_up for ended in self.ended if ended.speed_up is not None]
        return geometric_mean(gains) if gains else None


def _silent(event: Event) -> None:
    return None


def tune(
    problems: Sequence[Problem],
    gpu: Gpu | None = None,
    limits: Limits | None = None,
    *,
    again: bool = False,
    folder: Path | None = None,
    notify: Notify = _silent,
    tools: Tools | None = None,
) -> Report:
    """Find, check and store the fastest config of each problem.

    Problems are tuned at their length bucket. A winner is stored as soon as its problem is done. Ctrl-C ends
    the search, confirms and stores the best so far, and is reported rather than raised; a second one raises.

    Parameters
    ----------
    problems : sequence of Problem
        What to tune.
    gpu : Gpu, optional
        The device of this machine if left out.
    limits : Limits, optional
        The budget of each problem.
    again : bool
        Tune problems anew that an earlier run has finished; the stored winner is the one to beat.
    folder : Path, optional
        Where winners are stored; the user's config folder if left out.
    notify : callable
        Is told every event.
    tools : Tools, optional
        What the worker runs; real kernels if left out.

    Raises
    ------
    NotImplementedError
        If no kernel family computes one of the problems on the device.
    GpuBusyError
        If another process tunes or verifies on the device.

    Examples
    --------
    >>> from splashgen.tune import Limits, preset, tune, choose_gpu
    >>> gpu = choose_gpu("auto")                                           # doctest: +SKIP
    >>> tune(preset("quick", gpu).problems, gpu, Limits(trials=20))        # doctest: +SKIP
    """
    gpu, limits = gpu or choose_gpu(), limits or Limits()
    wanted = list(dict.fromkeys(problem.bucketed() for problem in problems))
    for problem in wanted:
        family_for(problem, gpu)  # what no family computes is refused before anything is touched
    ended: list[ProblemEnded] = []
    with exclusive(gpu), contextlib.ExitStack() as stack:
        storage = open_storage(state_folder())
        bench = stack.enter_context(Bench(tools or Tools(), limits.candidate_seconds))
        pool: CompilePool | None = compile_pool(gpu, limits.candidate_seconds)
        if pool is not None:
            stack.enter_context(pool)
        began = time.monotonic()
        for place, problem in enumerate(wanted, 1):
            space = family_for(problem, gpu).space.narrowed(problem, gpu)
            journal = Journal(storage, problem, gpu, space, again)
            if journal.finished is not None:
                ended.append(_skipped(problem, gpu, journal, folder))
                notify(ended[-1])
                continue
            own = limits.share(time.monotonic() - began, len(wanted) - place + 1)
            clock = _Clock(began, place, len(wanted), own)
            session = Session(
                problem,
                gpu,
                own,
                journal,
                bench,
                pool,
                notify,
                incumbent(problem, gpu, folder),
                relatives(problem, gpu),
                clock.left,
            )
            notify(ProblemStarted(problem, place, len(wanted), session.trials, session.done))
            verdict = session.run()
            path = save(gpu, [verdict.entry], folder) if verdict.entry else None
            if verdict.entry and not verdict.interrupted:
                journal.finish({"entry": plain_entry(verdict.entry), "reason": verdict.reason})
            ended.append(ProblemEnded(problem, verdict.entry, path, verdict.reason, counts=verdict.counts))
            notify(ended[-1])
            if verdict.interrupted:
                return Report(tuple(ended), interrupted=True)
    return Report(tuple(ended))


def _skipped(problem: Problem, gpu: Gpu, journal: Journal, folder: Path | None) -> ProblemEnded:
    """A problem that an earlier run finished; its winner is stored again where it is missing."""
    assert journal.finished is not None
    entry: Entry = EntryModel.model_validate(journal.finished["entry"]).build()
    found = stored(problem, gpu, folder)
    path = found[0] if found else save(gpu, [entry], folder)
    return ProblemEnded(problem, entry, path, journal.finished["reason"], skipped=True, counts=Counter())


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
