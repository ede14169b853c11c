"""`Points`: the configs of a space that a problem on a GPU can have."""

import itertools
from collections.abc import Iterator, Sequence
from functools import cached_property
from random import Random

from splashgen.config import Config
from splashgen.gpu import Gpu
from splashgen.problem import Problem
from splashgen.space import Space

__all__ = ["Points"]

_LISTED = 50_000
"""Points up to which a space is listed; of a larger one, points are drawn."""


class Points:
    """A space as one problem on one GPU sees it."""

    def __init__(self, space: Space, problem: Problem, gpu: Gpu) -> None:
        self._space, self._problem, self._gpu = space, problem, gpu

    def count(self, most: int) -> int:
        """How many there are, or `most + 1` if there are more than `most`."""
        return sum(1 for _ in itertools.islice(self._space.feasible(self._problem, self._gpu), most + 1))

    def objection(self, config: Config) -> str | None:
        """Why a config of the space cannot run, or None if nothing is known against it."""
        return self._space.objection(self._problem, self._gpu, config)

    def __contains__(self, config: Config) -> bool:
        """Whether any config is one of them: a default need not be one of a narrowed space."""
        return config in self._space and self.objection(config) is None

    def shuffled(self, chance: Random) -> Iterator[Config]:
        """All of them in random order; of very many, some over and over."""
        if self._listed is None:
            return self._space.draws(self._problem, self._gpu, chance)
        return iter(chance.sample(self._listed, len(self._listed)))

    def some(self, most: int, chance: Random) -> Sequence[Config]:
        """So many of them at random, or all if there are fewer."""
        if self._listed is None:
            return list(itertools.islice(self.shuffled(chance), most))
        return chance.sample(self._listed, min(most, len(self._listed)))

    @cached_property
    def _listed(self) -> Sequence[Config] | None:
        if self._space.size > _LISTED:
            return None
        return list(self._space.feasible(self._problem, self._gpu))
