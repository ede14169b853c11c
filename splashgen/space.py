"""`Space`: the configs that a family can be rendered with, and the reasons why some do not fit."""

import hashlib
import itertools
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

from splashgen.config import Config, Value
from splashgen.gpu import Gpu
from splashgen.problem import Problem

__all__ = ["Constraint", "Space"]


@dataclass(frozen=True, slots=True)
class Constraint:
    """A rule that a config must keep on a GPU for a problem."""

    reason: str
    """The sentence shown when it is broken."""
    holds: Callable[[Problem, Gpu, Config], bool]


@dataclass(frozen=True)
class Space:
    """The choices of one family.

    Parameters
    ----------
    family : str
        Name of the family whose template takes these parameters.
    choices : mapping of str to tuple
        Every parameter with all its allowed values; a number, a bool or a short fixed word.
    constraints : tuple of Constraint
        What rules out combinations before anything is compiled.
    narrow : callable, optional
        (problem, gpu) → the choices that remain for it, by parameter; those left out keep all of theirs.
    points : sequence of Config, optional
        Its points, if they are known by themselves; every combination of the choices if left out. A
        constraint has to rule out the other combinations, as a search makes steps between points.
    """

    family: str
    choices: Mapping[str, tuple[Value, ...]]
    constraints: tuple[Constraint, ...] = ()
    narrow: Callable[[Problem, Gpu], Mapping[str, tuple[Value, ...]]] | None = None
    points: Sequence[Config] | None = None

    @property
    def size(self) -> int:
        """How many points there are before the constraints."""
        if self.points is not None:
            return len(self.points)
        return math.prod(len(values) for values in self.choices.values())

    def narrowed(self, problem: Problem, gpu: Gpu) -> "Space":
        """The part of the space that is worth a search for this problem on this GPU."""
        if self.narrow is None:
            return self
        return replace(self, choices={**self.choices, **self.narrow(problem, gpu)}, narrow=None)

    def member(self, values: Mapping[str, Value]) -> Config:
        """The config with these values.

        Raises
        ------
        ValueError
            If a parameter is missing, unknown, or its value is none of the allowed ones.
        """
        for name in values:
            if name not in self.choices:
                raise ValueError(
                    f"{self.family} has no parameter {name!r}; it has {', '.join(self.choices)}."
                )
        for name, allowed in self.choices.items():
            if name not in values:
                raise ValueError(f"{self.family} needs the parameter {name!r}, one of {allowed}.")
            # `True == 1` and `1 == 1.0`: the type must match as well.
            if not any(type(values[name]) is type(value) and values[name] == value for value in allowed):
                raise ValueError(f"{self.family}: {name} is {values[name]!r}, but must be one of {allowed}.")
        return Config.of(self.family, values)

    def objection(self, problem: Problem, gpu: Gpu, config: Config) -> str | None:
        """Why this config cannot run this problem on this GPU, or None if nothing is known against it."""
        for constraint in self.constraints:
            if not constraint.holds(problem, gpu, config):
                return constraint.reason
        return None

    def __contains__(self, config: Config) -> bool:
        """Whether a config, which may be of another family, is a combination of the choices."""
        try:
            return self.member(config.as_dict()) == config
        except ValueError:
            return False

    def feasible(self, problem: Problem, gpu: Gpu) -> Iterator[Config]:
        """Every config without an objection, in a fixed order."""
        for config in self._combinations() if self.points is None else self.points:
            if self.objection(problem, gpu, config) is None:
                yield config

    def draws(self, problem: Problem, gpu: Gpu, random: Random) -> Iterator[Config]:
        """Random configs without an objection, for a space too large to list; ends where none is found."""
        rejected = 0
        while rejected < 10_000:
            config = self._combination(random) if self.points is None else random.choice(self.points)
            if self.objection(problem, gpu, config) is None:
                rejected = 0
                yield config
            else:
                rejected += 1

    @property
    def digest(self) -> str:
        """A short hash of the choices: studies of different spaces never mix."""
        text = json.dumps([self.family, {name: list(values) for name, values in self.choices.items()}])
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def _combinations(self) -> Iterator[Config]:
        for values in itertools.product(*self.choices.values()):
            yield Config.of(self.family, dict(zip(self.choices, values, strict=True)))

    def _combination(self, random: Random) -> Config:
        return Config.of(self.family, {name: random.choice(values) for name, values in self.choices.items()})
