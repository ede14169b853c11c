"""What the tuner tells whoever watches."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from splashgen.config import Config
from splashgen.problem import Problem
from splashgen.store import Entry, Regime, title
from splashgen.tune.measure.outcome import Outcome
from splashgen.tune.measure.standing import Standing

__all__ = [
    "AdviceAsked",
    "Event",
    "Interrupted",
    "Notify",
    "ProblemEnded",
    "ProblemStarted",
    "ShootOutEnded",
    "ShootOutStarted",
    "TrialEnded",
]


@dataclass(frozen=True, slots=True)
class _Told:
    """What every event says."""

    problem: Problem
    regime: Regime = field(default=Regime.MIXED, kw_only=True)

    @property
    def title(self) -> str:
        """The problem, and the regime if it is not the mixture."""
        return title(self.problem, self.regime)


@dataclass(frozen=True, slots=True)
class AdviceAsked(_Told):
    """Before a search begins, somebody is asked what may be fast; a cost model compiles to answer."""


@dataclass(frozen=True, slots=True)
class ProblemStarted(_Told):
    """A search begins or is taken up again."""

    place: int
    """From 1."""
    problems: int
    trials: int | None
    """The most that are tried; None if time is the only limit."""
    done: int
    """Trials of an earlier run."""


@dataclass(frozen=True, slots=True)
class TrialEnded(_Told):
    """A candidate was evaluated."""

    number: int
    """From 1."""
    trials: int | None
    config: Config
    outcome: Outcome
    best_ms: float | None
    seconds_left: float | None
    """An estimate for all problems that are still to do; None before there is one."""
    compiling: int = 0
    """Candidates with the compilers: in work, or waiting for their turn."""


@dataclass(frozen=True, slots=True)
class ShootOutStarted(_Told):
    """The search is over; the finalists meet."""


@dataclass(frozen=True, slots=True)
class ShootOutEnded(_Told):
    """Who met, and who was not let in."""

    standings: tuple[Standing, ...]
    """Of those that were timed, the fastest over the bucket's lengths first."""
    failed: tuple[Standing, ...]
    """Finalists that failed the strictest gate."""
    holder: Config
    """The stored winner of before, or the default."""
    winner: Config | None


@dataclass(frozen=True, slots=True)
class Interrupted(_Told):
    """A Ctrl-C has ended the search; told at once, because the next one costs the winner."""

    confirms: bool
    """Whether the best so far is confirmed and stored now."""


@dataclass(frozen=True, slots=True)
class ProblemEnded(_Told):
    """A problem is done, was done before, or has no correct config."""

    entry: Entry | None
    """The winner, or None if there is none."""
    path: Path | None
    """The file that it is in."""
    reason: str
    """Why the search ended."""
    skipped: bool = False
    """An earlier run had finished it."""
    counts: "Counter[str]" = field(default_factory=Counter)
    """Candidates by status."""
    seconds: float | None = None
    """From the start of the problem to its stored winner, in the run that stored it; None if nobody knows."""

    @property
    def speed_up(self) -> float | None:
        """Default time / tuned time."""
        if self.entry is None or self.entry.default_time_ms is None:
            return None
        return self.entry.default_time_ms.median / self.entry.time_ms.median


Event = (
    AdviceAsked | ProblemStarted | TrialEnded | ShootOutStarted | ShootOutEnded | Interrupted | ProblemEnded
)
Notify = Callable[[Event], None]
