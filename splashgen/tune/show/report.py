"""`Report`: what a run of the tuner came to."""

from dataclasses import dataclass

from splashgen.tune.measure.noise import geometric_mean
from splashgen.tune.show.events import ProblemEnded

__all__ = ["Report"]


@dataclass(frozen=True, slots=True)
class Report:
    """What a run of the tuner came to."""

    ended: tuple[ProblemEnded, ...]
    """In the order of the problems; those that an interruption left out are missing."""
    interrupted: bool = False

    @property
    def speed_up(self) -> float | None:
        """Geometric mean of default time / tuned time over the problems that have a winner."""
        gains = [ended.speed_up for ended in self.ended if ended.speed_up is not None]
        return geometric_mean(gains) if gains else None
