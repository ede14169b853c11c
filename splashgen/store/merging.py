"""Merging files of tuned configs that several people or machines made for one chip."""

import functools
from collections.abc import Sequence
from dataclasses import replace

from splashgen.store.entry import Entry, Key, Status, TunedFile
from splashgen.store.failures import covers
from splashgen.store.provenance import Provenance, minor

__all__ = ["merge", "prefer"]

_RANK = {Status.PLANNED: 0, Status.TRANSFERRED: 1, Status.MEASURED: 2}


def merge(files: Sequence[TunedFile]) -> TunedFile:
    """One file with the best entry for each key; the last file's provenance is the whole's.

    Raises
    ------
    ValueError
        If there is no file, or they are of different chips: their times cannot be compared.
    """
    if not files or not all(file.gpu.is_of(files[0].gpu) for file in files):
        chips = sorted({f"{file.gpu.name} ({file.gpu.multiprocessors} multiprocessors)" for file in files})
        raise ValueError(
            f"Only files of one chip can be merged, but these are of {', '.join(chips) or 'none'}; "
            "merge those of each chip by themselves."
        )
    common = files[-1].provenance
    known: dict[Key, list[Entry]] = {}
    for file in files:
        for entry in file.entries:
            own = replace(entry, provenance=entry.provenance or file.provenance)
            known.setdefault(own.key, []).append(own)
    best = map(_best, known.values())
    entries = tuple(replace(each, provenance=None) if each.provenance == common else each for each in best)
    return TunedFile(files[-1].gpu, common, entries)


def _best(entries: Sequence[Entry]) -> Entry:
    """The best of one key; where all failed, the newest: what failed later than it passed, failed."""
    sound = [
        entry
        for entry in entries
        if not entry.failure
        and not any(covers(other, entry) and other.tuned_at >= entry.tuned_at for other in entries)
    ]
    if sound:
        return functools.reduce(prefer, sound)
    return max((entry for entry in entries if entry.failure), key=lambda entry: entry.tuned_at)


def prefer(first: Entry, second: Entry) -> Entry:
    """The better of two entries for one key, each with its provenance.

    What ran beats what was planned. Times decide where they were taken with the same torch and triton (up to
    the minor version) and the same templates; otherwise they do not compare, and the later entry is right.
    """
    if _RANK[first.status] != _RANK[second.status]:
        return max(first, second, key=lambda entry: _RANK[entry.status])
    if _comparable(first.provenance, second.provenance):
        return second if second.time_ms.median < first.time_ms.median else first
    return second if second.tuned_at >= first.tuned_at else first


def _comparable(first: Provenance | None, second: Provenance | None) -> bool:
    if first is None or second is None:
        return first is second
    return all(
        minor(getattr(first, name)) == minor(getattr(second, name)) for name in ("torch", "triton")
    ) and (first.templates == second.templates)
