"""`tune`: problems in, stored winners out; whatever stops it, the same call goes on where it stopped."""

import contextlib
import itertools
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from splashgen.cases import case_for, check_regime
from splashgen.compile import CompilePool
from splashgen.dispatch import clear
from splashgen.families import family_for
from splashgen.gpu import Gpu
from splashgen.problem import Problem
from splashgen.store.entry import Key, Regime
from splashgen.tune.campaign import Campaign, Task
from splashgen.tune.crew import Crew
from splashgen.tune.database.storage import Storage, open_storage
from splashgen.tune.device import exclusive
from splashgen.tune.limits import Limits
from splashgen.tune.measure.bench import Bench, Tools
from splashgen.tune.pipeline import compile_pool
from splashgen.tune.search.warm import Advice, stored
from splashgen.tune.show.events import Event, Notify, ProblemEnded
from splashgen.tune.show.report import Report
from splashgen.tune.study.journal import Journal
from splashgen.tune.study.outdated import outdated
from splashgen.tune.study.studies import NoOpenStudyError, open_studies
from splashgen.tune.target import choose_gpu

__all__ = ["tune", "work"]


def _silent(event: Event) -> None:
    return None


def tune(
    problems: Sequence[Problem],
    gpu: Gpu | None = None,
    limits: Limits | None = None,
    *,
    regimes: Sequence[Regime] = (Regime.MIXED,),
    again: bool = False,
    folder: Path | None = None,
    storage: str | Storage | None = None,
    notify: Notify = _silent,
    tools: Tools | None = None,
    advice: Advice | None = None,
    seed: int = 0,
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
    regimes : sequence of Regime
        The kinds of scores that each problem is tuned for, in this order; see docs/configs.md. Row-wise
        entmax has the mixture alone, and is left out where that is not asked for.
    again : bool
        Tune problems anew that an earlier run has finished; the stored winner is the one to beat. Where the
        look-up no longer takes that winner, because its code has changed or `splashgen verify` did not pass
        it, this is done unasked.
    folder : Path, optional
        Where winners are stored; the user's config folder if left out.
    storage : str or Storage, optional
        Where the studies are kept: a URL, `sqlite:///...` or `postgresql://...`; a file in the user's data
        folder if left out. With a URL or none, every further GPU of this kind that is visible gets a worker.
    notify : callable
        Is told every event.
    tools : Tools, optional
        What the worker runs; real kernels if left out.
    advice : callable, optional
        (problem, regime) → configs that are tried early; see `splashgen.plan.advice`.
    seed : int
        Of the search: the choices of tunes with different ones are independent.

    Raises
    ------
    ValueError
        If no problem has any of the regimes.
    NotImplementedError
        If no kernel family computes one of the problems on the device.
    GpuBusyError
        If another process tunes or verifies on the device.
    StorageError
        If the studies cannot be kept where they should be, or the database stayed away for too long.

    Examples
    --------
    >>> from splashgen.tune import Limits, preset, tune, choose_gpu
    >>> gpu = choose_gpu("auto")                                           # doctest: +SKIP
    >>> tune(preset("quick", gpu).problems, gpu, Limits(trials=20))        # doctest: +SKIP
    """
    gpu, limits = gpu or choose_gpu(), limits or Limits()
    wanted = _wanted(problems, regimes)
    for problem, _ in wanted:
        family_for(problem, gpu)  # what no family computes is refused before anything is touched
    with exclusive(gpu) as worker, contextlib.ExitStack() as stack:
        stack.callback(clear)  # the next call takes what was found
        place = storage if isinstance(storage, Storage) else open_storage(storage)
        # All of them before any is begun: others may join.
        tasks = [_task(place, *one, gpu, again, limits, worker, seed, folder) for one in wanted]
        campaign = Campaign(tasks, gpu, *_equipment(stack, gpu, limits, tools), notify, folder, advice=advice)
        if not isinstance(storage, Storage):
            stack.enter_context(Crew(gpu, partial(work, place.url, folder=folder, tools=tools)))
        return campaign.run()


def work(
    storage: str | Storage | None = None,
    gpu: Gpu | None = None,
    *,
    folder: Path | None = None,
    notify: Notify = _silent,
    tools: Tools | None = None,
) -> Report:
    """Join the studies for this device that others began on a shared storage, until all of them are done.

    Winners are stored on this machine as well.

    Parameters
    ----------
    storage : str or Storage, optional
        The URL that the tuner was given; the file of this user if left out. Every further GPU of this kind
        that is visible gets a worker as well.
    gpu, folder, notify, tools
        As for `tune`.

    Raises
    ------
    NoOpenStudyError
        If there is no study that this device, with these versions, can work on.
    GpuBusyError, StorageError
        As for `tune`.
    """
    gpu = gpu or choose_gpu()
    with exclusive(gpu) as worker, contextlib.ExitStack() as stack:
        stack.callback(clear)
        place = storage if isinstance(storage, Storage) else open_storage(storage)
        studies = open_studies(place, gpu)
        if not studies:
            raise NoOpenStudyError(
                f"No study for {gpu.name} is open in this storage; begin one with: "
                "splashgen tune --storage URL, and start workers while it runs."
            )
        equipment = _equipment(stack, gpu, studies[0].limits, tools)
        if not isinstance(storage, Storage):
            stack.enter_context(Crew(gpu, partial(work, place.url, folder=folder, tools=tools)))
        known: set[str] = set()
        ended: list[ProblemEnded] = []
        while studies:
            known |= {study.name for study in studies}
            tasks = [
                _task(place, study.problem, study.regime, gpu, False, study.limits, worker, folder=folder)
                for study in studies
            ]
            report = Campaign(tasks, gpu, *equipment, notify, folder, joined=True).run()
            ended += report.ended
            if report.interrupted:
                return Report(tuple(ended), interrupted=True)
            studies = []
            with contextlib.suppress(NoOpenStudyError):  # what is left is for others
                # The tuner may have begun more since.
                studies = [study for study in open_studies(place, gpu) if study.name not in known]
        return Report(tuple(ended))


def _wanted(problems: Sequence[Problem], regimes: Sequence[Regime]) -> list[Key]:
    """Each problem at its length bucket, one regime after the other: the first answers most calls."""
    wanted = [
        (problem.bucketed(), regime)
        for regime in regimes
        for problem in problems
        if regime in case_for(problem.operation).timed
    ]
    if not wanted:
        for problem, regime in itertools.product(problems, regimes):
            check_regime(problem.operation, regime)
    return list(dict.fromkeys(wanted))


def _task(
    storage: Storage,
    problem: Problem,
    regime: Regime,
    gpu: Gpu,
    again: bool,
    limits: Limits,
    worker: str,
    seed: int = 0,
    folder: Path | None = None,
) -> Task:
    space = family_for(problem, gpu).space.narrowed(problem, gpu)

    def opened(again: bool) -> Journal:
        return Journal(
            storage, problem, gpu, space, again, limits=limits, worker=worker, regime=regime, seed=seed
        )

    journal = opened(again)
    if journal.finished is not None:
        found = stored(problem, gpu, folder, regime)
        if outdated(journal.finished, found[1] if found else None):
            journal = opened(again=True)
    return Task(problem, journal, limits)


def _equipment(
    stack: contextlib.ExitStack, gpu: Gpu, limits: Limits, tools: Tools | None
) -> tuple[Bench, CompilePool | None]:
    """The processes that compile, judge and time; they end with the stack."""
    bench = stack.enter_context(Bench(tools or Tools(), limits.candidate_seconds))
    pool = compile_pool(gpu, limits.candidate_seconds)
    return bench, pool if pool is None else stack.enter_context(pool)
