"""`verify`: check stored entries anew on the device at hand, with today's templates, torch and triton."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from splashgen.dispatch import clear
from splashgen.gpu import Gpu
from splashgen.render import render
from splashgen.store import Entry, Freshness, Source, save
from splashgen.store.entry import Key, Status, Timing
from splashgen.store.failures import standing
from splashgen.store.files import load, user_folder
from splashgen.store.tables import Table, tables
from splashgen.tune.device import exclusive
from splashgen.tune.measure.bench import Bench, Tools
from splashgen.tune.measure.evaluate import Trial
from splashgen.tune.measure.outcome import Outcome
from splashgen.tune.measure.outcome import Status as Ended

__all__ = ["Verified", "stored_entries", "verify"]

_SEED = 5_000_011
"""Far from the seeds of tuning, which count trials."""
_LIMIT_S = 120.0
_TIMING_S = 2.0
_LONGEST_REASON = 200
"""Characters, as the schema allows."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What became of one entry."""

    entry: Entry
    """As it was stored; with its new time, error and hash where it passed, else with its failure."""
    outcome: Outcome
    """Of the strict gate, or of the timing that followed it."""
    before_ms: float

    @property
    def passed(self) -> bool:
        """Whether it is right and could be timed."""
        return self.outcome.ok


def stored_entries(gpu: Gpu, folder: Path | None = None) -> list[Entry]:
    """The entries that the look-up would use on this very chip, and those that failed and have no better one.

    The user's go before the shipped ones.

    Parameters
    ----------
    gpu : Gpu
        The chip.
    folder : Path, optional
        The files of this folder instead.

    Raises
    ------
    ConfigFileError
        If a file of `folder` cannot be used.
    """
    if folder is None:
        known = tables()
    else:
        known = [Table(path, Source.USER, load(path)) for path in sorted(folder.glob("*.yaml"))]
    found: dict[Key, list[tuple[Entry, Table]]] = {}
    for table in known:
        for entry in table.file.entries if table.file and table.file.gpu.is_of(gpu) else ():
            found.setdefault(entry.key, []).append((entry, table))

    def order(one: tuple[Entry, Table]) -> tuple[bool, bool, bool, int]:
        """Best first: what did not fail, what ran, the user's, the newest."""
        entry, table = one
        failed = standing(entry, table, known)[0] is Freshness.FAILED
        return failed, entry.status is Status.PLANNED, table.source is Source.SHIPPED, -entry.day

    return [min(ones, key=order)[0] for ones in found.values()]


def verify(
    entries: list[Entry],
    gpu: Gpu,
    folder: Path | None = None,
    *,
    tools: Tools | None = None,
    notify: Callable[[int, Entry], None] = lambda place, entry: None,
) -> Iterator[Verified]:
    """Examine and time entries one after another; what passes is stored as measured today.

    Each runs in a worker process that is replaced if a kernel takes it down. An entry that fails is
    stored too, with the reason, and no longer used: a later verification that passes or a tune replaces it.
    Left as it is where the device was out of memory, or where it is right and only its time could not be
    measured.

    Parameters
    ----------
    entries : list of Entry
        What to check; the device must be `gpu`.
    gpu : Gpu
        The device of this machine.
    folder : Path, optional
        Where results are stored; the user's config folder if left out.
    tools : Tools, optional
        What the worker runs; real kernels if left out.
    notify : callable
        Is told each entry before it is run, and its place from 1.

    Raises
    ------
    GpuBusyError
        If another process tunes or verifies on the device.
    """
    with exclusive(gpu), Bench(tools or Tools(), _LIMIT_S) as bench, contextlib.ExitStack() as stack:
        stack.callback(clear)  # the next call takes what passed
        for place, entry in enumerate(entries, 1):
            notify(place, entry)
            result = _one(entry, gpu, bench, _SEED + place)
            if result.passed or result.entry.failure:
                save(gpu, [result.entry], folder or user_folder())
            yield result


def _one(entry: Entry, gpu: Gpu, bench: Bench, seed: int) -> Verified:
    trial = Trial(entry.problem, entry.config, gpu, seed, _TIMING_S, regime=entry.regime)
    strict = bench.finalist(trial)
    timed = bench.trial(trial) if strict.ok else strict
    if not timed.ok:
        return Verified(_failed(entry, timed), timed, entry.time_ms.median)
    time = timed.time
    renewed = replace(
        entry,
        code_hash=render(entry.problem, entry.config).hash,
        status=Status.MEASURED,
        time_ms=Timing(time.median, time.low, time.high),
        error=strict.errors,
        tuned_at=date.today().isoformat(),
        # Times of another day do not stand beside this one.
        default_time_ms=None,
        runner_up=None,
        provenance=None,
        failure="",
    )
    return Verified(renewed, timed, entry.time_ms.median)


def _failed(entry: Entry, outcome: Outcome) -> Entry:
    """The entry with what was found, or as it was where that says more of the moment than of the config."""
    if outcome.status is Ended.IMPLAUSIBLE or outcome.reason.startswith("OutOfMemoryError"):
        return entry
    try:
        code_hash = render(entry.problem, entry.config).hash
    except Exception:  # a template may refuse a config in many ways; the old hash is then as good as any
        code_hash = entry.code_hash
    reason = " ".join(f"{outcome.status.value}: {outcome.reason}".split())
    reason = "".join(character for character in reason if character.isprintable())[:_LONGEST_REASON]
    today = date.today().isoformat()
    return replace(entry, code_hash=code_hash, tuned_at=today, provenance=None, failure=reason)
