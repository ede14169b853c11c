"""The most promising candidate among steps from the best config so far and points from anywhere.

Where nothing was timed yet, a step from the config that is expected to be good.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator
from random import Random

from splashgen.config import Config
from splashgen.space import Space
from splashgen.tune.search.guess import improvements
from splashgen.tune.study.records import Record

__all__ = ["first_step", "step"]

_FARTHEST = 2
"""Parameters that a step changes at most."""


def step(
    space: Space,
    records: Iterable[Record],
    elsewhere: Iterable[Config],
    allowed: Callable[[Config], bool],
    chance: Random,
) -> Config | None:
    """What differs from the best in one parameter or in two, or lies elsewhere.

    Parameters
    ----------
    records : iterable of Record
        Candidates whose end is known.
    elsewhere : iterable of Config
        Points that need not be near the best.
    allowed : callable
        Whether a config may be proposed.
    chance : Random
        Decides between candidates that promise the same.

    Returns
    -------
    Config or None
        The allowed candidate with the largest expected improvement; None without any, or without a best.
    """
    timed = {record.config: record.outcome.overall for record in records if record.outcome.ok}
    if not timed:
        return None
    best = min(timed, key=timed.__getitem__)
    candidates = list(filter(allowed, dict.fromkeys((*_steps(space, best), *elsewhere))))
    if not candidates:
        return None
    chance.shuffle(candidates)
    return candidates[improvements(space.choices, timed, candidates).argmax()]


def first_step(
    space: Space, start: Config, allowed: Callable[[Config], bool], chance: Random
) -> Config | None:
    """An allowed config that differs from `start` in one parameter, drawn at random; None without any."""
    near = list(filter(allowed, _steps(space, start, farthest=1)))
    return chance.choice(near) if near else None


def _steps(space: Space, config: Config, farthest: int = _FARTHEST) -> Iterator[Config]:
    """Every config of the space that differs in few parameters."""
    for changes in range(1, farthest + 1):
        for names in itertools.combinations(space.choices, changes):
            others = [[value for value in space.choices[name] if value != config[name]] for name in names]
            for values in itertools.product(*others):
                yield config.replace(**dict(zip(names, values, strict=True)))
