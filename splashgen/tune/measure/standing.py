"""`Standing`: a config after the shoot-out, and who is ahead of whom over the lengths of a bucket."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from splashgen.config import Config
from splashgen.tune.measure.noise import Interval, deviation, ratio
from splashgen.tune.measure.outcome import Outcome

__all__ = ["Standing", "noise"]


@dataclass(frozen=True, slots=True)
class Standing:
    """A config after the shoot-out."""

    config: Config
    outcome: Outcome
    again: tuple[float, ...] = ()
    """Of the first that was timed: its milliseconds in its second place, which differ by noise alone."""
    ragged_again: tuple[float, ...] = ()
    """The same at the ragged length."""

    @property
    def time(self) -> Interval:
        """The median time with its interval, in milliseconds."""
        return self.outcome.time

    @property
    def ragged_time(self) -> Interval | None:
        """The same at the ragged length."""
        return Interval.of(self.outcome.ragged) if self.outcome.ragged else None

    @property
    def overall(self) -> float:
        """Milliseconds over the bucket: the geometric mean of the medians at both lengths."""
        return self.outcome.overall

    def against(self, other: "Standing") -> Interval:
        """This one's time over the bucket in parts of another's that met it in the same rounds."""
        pairs = [(self.outcome.samples, other.outcome.samples)]
        if self.outcome.ragged and other.outcome.ragged:
            pairs.append((self.outcome.ragged, other.outcome.ragged))
        return ratio(*pairs)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; the samples of a second place are left out."""
        return {
            "family": self.config.family,
            "config": self.config.as_dict(),
            "outcome": self.outcome.as_dict(),
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "Standing":
        """The inverse of `as_dict`."""
        config = Config.of(plain["family"], plain["config"])
        return cls(config, Outcome.from_dict(plain["outcome"]))


def noise(standings: Sequence[Standing]) -> float:
    """How far the same code was from itself over the bucket, among those that were timed twice."""
    twice = [
        deviation(
            (each.outcome.samples, each.again),
            *([(each.outcome.ragged, each.ragged_again)] if each.outcome.ragged else []),
        )
        for each in standings
        if each.again
    ]
    return max(twice, default=1.0)
