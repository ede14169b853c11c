"""`Recording`: every candidate of a space, with what was measured of it on a real device."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from splashgen.compile.loops import Loop
from splashgen.config import Config, Value
from splashgen.gpu import Gpu
from splashgen.problem import Problem
from splashgen.space import Constraint, Space
from splashgen.store import Provenance
from splashgen.tune.measure.outcome import Outcome

__all__ = ["Head", "Recording", "Resources", "Row", "varied"]


@dataclass(frozen=True)
class Head:
    """What was recorded, where and with what."""

    problem: Problem
    gpu: Gpu
    family: str
    choices: Mapping[str, tuple[Value, ...]]
    """The recorded space; a parameter with one choice was held fixed."""
    default: Config
    """The family's default at the time, which is one of the points."""
    points: int
    """Configs of distinct code that keep the constraints: a complete recording has a row for each. Of a tuned
    problem, the configs of its space: nobody counted which of them keep the constraints and differ."""
    timing_seconds: float
    """Spent on repetitions of one candidate."""
    made: Provenance


@dataclass(frozen=True)
class Resources:
    """What one kernel of a candidate takes, from the compiler; see `splashgen.compile.CompiledKernel`."""

    name: str
    registers: int
    spills: int
    shared_memory: int
    num_warps: int
    tensor_memory: int = 0
    instructions: int = 0
    loops: tuple[Loop, ...] = ()


@dataclass(frozen=True)
class Row:
    """One candidate."""

    config: Config
    code_hash: str
    outcome: Outcome
    kernels: tuple[Resources, ...] = ()
    """In the order of their launches; empty on a CPU, or where the compiler failed."""


@dataclass(frozen=True)
class Recording:
    """A head with the rows that were measured so far."""

    head: Head
    rows: tuple[Row, ...]

    @property
    def complete(self) -> bool:
        """Whether every point has its row."""
        return len(self.rows) == self.head.points

    @property
    def space(self) -> Space:
        """The recorded space; its points are the rows, whatever became of the family since.

        They are in the order of the choices, not in that of the rows: a search that draws from them does not
        depend on who was measured first.
        """
        known = {row.config for row in self.rows}
        recorded = Constraint("It was not recorded.", lambda problem, gpu, config: config in known)
        space = Space(self.head.family, self.head.choices, (recorded,))
        return replace(space, points=sorted((config for config in known if config in space), key=self._place))

    def _place(self, config: Config) -> tuple[int, ...]:
        return tuple(values.index(config[name]) for name, values in self.head.choices.items())


def varied(space: Space, default: Config, wishes: Mapping[str, Sequence[str]]) -> Space:
    """The space in which the parameters of `wishes` vary and all others keep the default's value.

    Parameters
    ----------
    space : Space
        Of the family, narrowed to the problem.
    wishes : mapping of str to sequence of str
        Values by parameter, as text: `{"bound_m": ["64", "128"]}`; all that the space has if there are none.

    Raises
    ------
    ValueError
        If a parameter or a value is none of the space's, or the default's own value is left out.
    """
    choices: dict[str, tuple[Value, ...]] = {name: (default[name],) for name in space.choices}
    for name, wished in wishes.items():
        if name not in space.choices:
            raise ValueError(f"{space.family} has no parameter {name!r}; it has {', '.join(space.choices)}.")
        allowed = {str(value).lower(): value for value in space.choices[name]}
        for text in wished:
            if text.lower() not in allowed:
                raise ValueError(f"{name} cannot be {text!r}; it can be {', '.join(allowed)}.")
        chosen = {text.lower() for text in wished or allowed}
        if str(default[name]).lower() not in chosen:
            raise ValueError(f"{name} must be allowed the default's {default[name]!r} as well.")
        choices[name] = tuple(value for text, value in allowed.items() if text in chosen)
    return Space(space.family, choices, space.constraints)
