"""Steps from the best config so far, the most promising first."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from random import Random

from splashgen.config import Config
from splashgen.space import Space
from splashgen.tune.guess import improvements
from splashgen.tune.records import Record

__all__ = ["step"]

_FARTHEST = 2
"""Parameters that a step changes at most."""


def step(
    space: Space, records: Iterable[Record], allowed: Callable[[Config], bool], chance: Random
) -> Config | None:
    """What differs from the best in one parameter, or in two where all such were tried.

    Parameters
    ----------
    records : iterable of Record
        Candidates whose end is known.
    allowed : callable
        Whether a config may be proposed.
    chance : Random
        Decides between steps that promise the same.

    Returns
    -------
    Config or None
        The allowed step with the largest expected improvement; None without any, or without a best.
    """
    timed = {record.config: record.outcome.median for record in records if record.outcome.ok}
    if not timed:
        return None
    best = min(timed, key=timed.__getitem__)
    for changes in range(1, _FARTHEST + 1):
        steps = [config for config in _changed(space, best, changes) if allowed(config)]
        if steps:
            chance.shuffle(steps)
            return steps[improvements(timed, steps).argmax()]
    return None


def _changed(space: Space, config: Config, changes: int) -> Iterator[Config]:
    """Every config of the space that differs in so many parameters."""
    for names in itertools.combinations(space.choices, changes):
        others = [[value for value in space.choices[name] if value != config[name]] for name in names]
        for values in itertools.product(*others):
            yield config.replace(**dict(zip(names, values, strict=True)))
