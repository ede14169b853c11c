"""`verify`: check stored entries anew on the device at hand, with today's templates, torch and triton."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from splashgen.gpu import Gpu
from splashgen.render import render
from splashgen.store import Entry, save
from splashgen.store.entry import Status, Timing
from splashgen.store.files import load, user_folder
from splashgen.store.tables import tables
from splashgen.tune.device import exclusive
from splashgen.tune.measure.bench import Bench, Tools
from splashgen.tune.measure.evaluate import Trial
from splashgen.tune.measure.outcome import Outcome

__all__ = ["Verified", "stored_entries", "verify"]

_SEED = 5_000_011
"""Far from the seeds of tuning, which count trials."""
_LIMIT_S = 120.0
_TIMING_S = 2.0


@dataclass(frozen=True, slots=True)
class Verified:
    """What became of one entry."""

    entry: Entry
    """As it was stored; with its new time, error and hash where it passed."""
    outcome: Outcome
    """Of the strict gate, or of the timing that followed it."""
    before_ms: float

    @property
    def passed(self) -> bool:
        """Whether it is right and could be timed."""
        return self.outcome.ok


def stored_entries(gpu: Gpu, folder: Path | None = None) -> list[Entry]:
    """The entries that the look-up would use on this very chip: the user's, then the shipped ones they leave.

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
        files = [table.file for table in tables() if table.file is not None]
    else:
        files = [load(path) for path in sorted(folder.glob("*.yaml"))]
    found: dict[object, Entry] = {}
    for file in files:
        if not file.gpu.is_of(gpu):
            continue
        for entry in file.entries:
            known = found.get(entry.key)
            # What ran comes before what was only planned.
            if known is None or (known.status is Status.PLANNED and entry.status is not Status.PLANNED):
                found[entry.key] = entry
    return list(found.values())


def verify(
    entries: list[Entry],
    gpu: Gpu,
    folder: Path | None = None,
    *,
    tools: Tools | None = None,
    notify: Callable[[int, Entry], None] = lambda place, entry: None,
) -> Iterator[Verified]:
    """Examine and time entries one after another; what passes is stored as measured today.

    Each runs in a worker process that is replaced if a kernel takes it down. An entry that fails is left as
    it is: its hash or its gate keeps the look-up from trusting it.

    Parameters
    ----------
    entries : list of Entry
        What to check; the device must be `gpu`.
    gpu : Gpu
        The device of this machine.
    folder : Path, optional
        Where what passes is stored; the user's config folder if left out.
    tools : Tools, optional
        What the worker runs; real kernels if left out.
    notify : callable
        Is told each entry before it is run, and its place from 1.

    Raises
    ------
    GpuBusyError
        If another process tunes or verifies on the device.
    """
    with exclusive(gpu), Bench(tools or Tools(), _LIMIT_S) as bench:
        for place, entry in enumerate(entries, 1):
            notify(place, entry)
            result = _one(entry, gpu, bench, _SEED + place)
            if result.passed:
                save(gpu, [result.entry], folder or user_folder())
            yield result


def _one(entry: Entry, gpu: Gpu, bench: Bench, seed: int) -> Verified:
    trial = Trial(entry.problem, entry.config, gpu, seed, _TIMING_S, regime=entry.regime)
    strict = bench.finalist(trial)
    timed = bench.trial(trial) if strict.ok else strict
    if not timed.ok:
        return Verified(entry, timed, entry.time_ms.median)
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
    )
    return Verified(renewed, timed, entry.time_ms.median)
