"""What is known of problems around one that has no entry of its own."""

from collections.abc import Iterator

from splashgen.gpu import Gpu
from splashgen.problem import Problem
from splashgen.store.distance import differences, doublings
from splashgen.store.entry import Entry, Regime, Status
from splashgen.store.tables import tables

__all__ = ["nearest_miss", "neighbours"]

_DECISIVE = {"operation", "dtype", "head_dim", "value_dim"}
"""Fields in which a config's relatives agree."""

_Differences = dict[str, tuple[object, object]]
"""Axis → (the entry's, the wanted)."""


def nearest_miss(
    problem: Problem, gpu: Gpu, regime: Regime = Regime.MIXED
) -> tuple[Entry, _Differences] | None:
    """The entry of this chip or its architecture that differs in the fewest fields, then least, and those."""
    misses = ((entry, fields) for entry, fields in _around(problem, gpu, regime) if fields)
    return next(misses, None)


def neighbours(problem: Problem, gpu: Gpu, regime: Regime = Regime.MIXED) -> Iterator[Entry]:
    """What was measured on this architecture for problems like this one, the nearest first.

    It may be too far to answer for the problem: another mask, another α, the forward alone. A search that
    has to begin somewhere begins with what won there. Heads of another width are left out: on an H200 what
    won at 64 took 2.2 to 2.6 times as long as the default at 128.
    """
    for entry, fields in _around(problem, gpu, regime):
        if entry.status is not Status.PLANNED and not fields.keys() & _DECISIVE:
            yield entry


def _around(problem: Problem, gpu: Gpu, regime: Regime) -> Iterator[tuple[Entry, _Differences]]:
    """The entries of this architecture with what sets them apart: few fields before many, then little."""
    known = [
        (entry, differences(entry.problem, problem) | _other_regime(entry, regime))
        for table in tables()
        if table.file and table.file.gpu.compute_capability == gpu.compute_capability
        for entry in table.file.entries
        if not entry.failure
    ]
    yield from sorted(
        known,
        key=lambda one: (len(one[1]), doublings(one[1]), -one[0].problem.seq_len, str(one[0].problem)),
    )


def _other_regime(entry: Entry, regime: Regime) -> _Differences:
    """The regime as a further difference, where it keeps the entry from answering."""
    return {} if entry.regime in (regime, Regime.MIXED) else {"regime": (entry.regime, regime)}
