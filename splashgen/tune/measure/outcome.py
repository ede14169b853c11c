"""What became of a candidate: typed, with the reason in a sentence."""

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from splashgen.tune.measure.noise import Interval

__all__ = ["Outcome", "Status"]


class Status(StrEnum):
    """How the evaluation of a candidate ended."""

    OK = "ok"
    """Correct and timed."""
    WRONG = "wrong"
    """Its error is beyond the budget, or it left output unwritten."""
    DOES_NOT_FIT = "does_not_fit"
    """It needs more shared memory, tensor memory or device memory than the chip has."""
    CRASHED = "crashed"
    """Its process died, or its GPU context became unusable."""
    HUNG = "hung"
    """It did not answer within the limit of a candidate."""
    IMPLAUSIBLE = "implausible"
    """Its time stays below what the chip can do, so it was not measured."""
    FAILED = "failed"
    """It could not be rendered or compiled, or raised an error."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one evaluation."""

    status: Status
    reason: str = ""
    """A sentence; empty where the status is `OK`."""
    errors: Mapping[str, float] = field(default_factory=dict)
    """Frobenius relative error and budget of each output (`out`, `out_budget`, …), where closest."""
    samples: tuple[float, ...] = ()
    """Milliseconds at the bucket's own length, one a round; empty unless the status is `OK`."""
    laps: tuple[float, ...] = ()
    """Median milliseconds on each of the timed inputs: those of the bucket's own length, whose geometric mean
    a sample is, then those of the ragged one."""
    conditions: Mapping[str, float | str] = field(default_factory=dict)
    """Clocks, temperature and power around the timing; see `splashgen.tune.measure.sensors`."""
    ragged: tuple[float, ...] = ()
    """Milliseconds at a ragged length of the bucket, one a round; empty in a bucket that has none."""

    @property
    def ok(self) -> bool:
        """Whether the candidate may win."""
        return self.status is Status.OK

    @property
    def median(self) -> float:
        """The median time at the bucket's own length in milliseconds.

        Raises
        ------
        statistics.StatisticsError
            If the candidate was not timed.
        """
        return statistics.median(self.samples)

    @property
    def overall(self) -> float:
        """Milliseconds over the bucket, which rank candidates: the geometric mean of both medians."""
        return math.sqrt(self.median * statistics.median(self.ragged)) if self.ragged else self.median

    @property
    def time(self) -> Interval:
        """The median time at the bucket's own length with its interval.

        Raises
        ------
        ValueError
            If the candidate was not timed.
        """
        return Interval.of(self.samples)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "status": self.status.value,
            "reason": self.reason,
            "errors": dict(self.errors),
            "samples": list(self.samples),
            "laps": list(self.laps),
            "conditions": dict(self.conditions),
            "ragged": list(self.ragged),
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "Outcome":
        """The inverse of `as_dict`."""
        return cls(
            Status(plain["status"]),
            plain["reason"],
            dict(plain["errors"]),
            tuple(plain["samples"]),
            tuple(plain.get("laps", ())),  # studies of earlier versions have none
            dict(plain.get("conditions", {})),
            tuple(plain.get("ragged", ())),
        )
