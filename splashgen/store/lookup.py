"""(Problem, Gpu) → the best config that is known, and an account of how it was found."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from splashgen.families import family_for, family_named
from splashgen.gpu import Gpu
from splashgen.problem import Problem
from splashgen.store.distance import differences, distance
from splashgen.store.entry import Entry, Regime, Status
from splashgen.store.failures import standing
from splashgen.store.key import tuning_key
from splashgen.store.match import Match, Rung, Source, Step
from splashgen.store.tables import Table, tables

__all__ = ["lookup"]

_RUNGS = tuple(Rung)
_SOURCES = tuple(Source)


@dataclass(frozen=True, slots=True)
class _Candidate:
    rung: Rung
    distance: float
    entry: Entry
    table: Table
    foreign: bool
    """Whether its file is another chip's: of two plans, that for this chip answers."""

    def order(self, regime: Regime) -> tuple[object, ...]:
        """Best first; the last parts only make the order total."""
        other_regime = self.entry.regime is not regime
        source = _SOURCES.index(self.table.source)
        rank = _RUNGS.index(self.rung), self.distance, self.foreign, other_regime, source
        problem = self.entry.problem
        return *rank, -problem.seq_len, str(problem), -self.entry.day, self.table.path.name


def lookup(problem: Problem, gpu: Gpu, regime: Regime = Regime.MIXED) -> Match:
    """Find the config for a problem on a device.

    The chain, best first: an entry of this chip with the same tuning key (the user's before the shipped one),
    at the nearest length, at the nearest head dim, an entry of the same architecture, a planned one, the
    default. Operation, α class, dtype, causality and training must match; the rest transfers by `distance`.
    An entry of another regime is not asked, but for the mixture's, which goes after the regime's own where
    both are equally near.
    Entries that do not fit this chip, whose code has changed, or that `splashgen verify` did not pass are
    passed over with their reasons.

    Raises
    ------
    NotImplementedError
        If no family computes the problem on this device, or not even the default's tiles fit it.
    """
    family = family_for(problem, gpu)
    steps = [
        Step(Rung.EXACT, table.source, table.trouble, table.path)
        for table in tables()
        if table.trouble and table.slug == gpu.slug
    ]
    candidates = sorted(_candidates(problem, gpu, regime), key=lambda one: one.order(regime))
    for one in candidates:
        verdict, note = _verdict(one, problem, gpu)
        steps.append(Step(one.rung, one.table.source, verdict, one.table.path, one.entry))
        if verdict == "used":
            return Match(
                one.rung, one.table.source, one.entry.config, tuple(steps), one.entry, one.table.path, note
            )
    default = family.default(problem, gpu)
    if objection := family.space.objection(problem, gpu, default):
        raise NotImplementedError(
            f"No config is known to compute «{problem}» on {gpu.name}. Of the default: {objection} "
            "A shorter sequence, a smaller head dim or 16-bit inputs may fit, "
            "or a config that `splashgen tune` finds."
        )
    steps.append(Step(Rung.DEFAULT, Source.FAMILY, "used"))
    return Match(Rung.DEFAULT, Source.FAMILY, default, tuple(steps))


def _candidates(problem: Problem, gpu: Gpu, regime: Regime) -> Iterator[_Candidate]:
    for table in tables():
        for entry in table.file.entries if table.file else ():
            if entry.regime not in (regime, Regime.MIXED):
                continue
            far = distance(entry.problem, problem)
            rung = _rung(table, entry, problem, gpu) if far < math.inf else None
            if rung:
                yield _Candidate(rung, far, entry, table, _foreign(table, gpu))


def _rung(table: Table, entry: Entry, problem: Problem, gpu: Gpu) -> Rung | None:
    assert table.file is not None
    chip = table.file.gpu
    if chip.compute_capability != gpu.compute_capability:
        return None
    if entry.status is Status.PLANNED:
        return Rung.PLANNED
    if _foreign(table, gpu):
        return Rung.SAME_ARCHITECTURE
    fields = differences(tuning_key(entry.problem), tuning_key(problem)).keys()
    if not fields:
        return Rung.EXACT
    return Rung.NEAREST_LENGTH if fields == {"seq_len"} else Rung.NEAREST_PROBLEM


def _foreign(table: Table, gpu: Gpu) -> bool:
    assert table.file is not None
    return not table.file.gpu.is_of(gpu)


def _verdict(one: _Candidate, problem: Problem, gpu: Gpu) -> tuple[str, str]:
    """(`used`, a note) or (why not, nothing)."""
    family = family_named(one.entry.config.family)
    if gpu.backend not in family.backends or not family.supports(problem):
        return f"{family.name} does not compute this problem here", ""
    objection = family.space.objection(problem, gpu, one.entry.config)
    if objection:
        return f"it does not fit here: {objection}", ""
    grade, why = standing(one.entry, one.table, tables())
    return ("used", why) if grade.is_used else (why, "")
