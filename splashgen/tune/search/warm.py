"""Where a search starts from: the stored config that it has to beat, and those of related problems."""

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path

from splashgen.config import Config
from splashgen.errors import ConfigFileError
from splashgen.gpu import Gpu
from splashgen.problem import Problem
from splashgen.store import Entry, Regime, Rung, load, lookup, neighbours, user_folder

__all__ = ["Advice", "incumbent", "relatives", "stored"]

Advice = Callable[[Problem, Regime], Sequence[Config]]
"""What somebody expects to be fast for a problem, tried early; `splashgen.plan.advice` has a cost model's."""

_NEARBY = 4
"""Different configs that won nearby and are tried early."""


def stored(
    problem: Problem, gpu: Gpu, folder: Path | None = None, regime: Regime = Regime.MIXED
) -> tuple[Path, Entry] | None:
    """The file of this chip that has a winner for this problem in this very regime, and its entry.

    Of several the newest, as for the look-up.
    """
    folder = user_folder() if folder is None else folder
    found = []
    for path in sorted(folder.glob(f"{gpu.slug}*.yaml")):
        try:
            file = load(path)
        except ConfigFileError:  # saving will keep it aside, and says so
            continue
        for entry in file.entries if file.gpu.is_of(gpu) else ():
            if entry.key == (problem.bucketed(), regime):
                found.append((path, entry))
    return max(found, key=lambda one: one[1].tuned_at, default=None)


def incumbent(
    problem: Problem, gpu: Gpu, folder: Path | None = None, regime: Regime = Regime.MIXED
) -> Config | None:
    """The config that holds the place so far: stored before, or shipped for this very chip and problem.

    A regime without an entry of its own is answered by the mixture's, which then holds its place.
    """
    for known in dict.fromkeys((regime, Regime.MIXED)):
        own = stored(problem, gpu, folder, known)
        if own is not None and not own[1].failure:
            return own[1].config
    match = lookup(problem, gpu, regime)
    return match.config if match.rung is Rung.EXACT else None


def relatives(problem: Problem, gpu: Gpu, regime: Regime = Regime.MIXED) -> tuple[Config, ...]:
    """What dispatch would take today, for this regime and for the mixture; then what won nearby.

    So what a tune finds for one problem is tried early for the next, and what one chip found on another of
    its architecture.
    """
    answers = [lookup(problem, gpu, known).config for known in dict.fromkeys((regime, Regime.MIXED))]
    nearby = dict.fromkeys(entry.config for entry in neighbours(problem, gpu, regime))
    return tuple(dict.fromkeys((*answers, *itertools.islice(nearby, _NEARBY))))
