"""What became of a candidate: typed, with the reason in a sentence."""

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
    """Milliseconds, one a round; empty unless the status is `OK`."""
    laps: tuple[float, ...] = ()
    """Median milliseconds on each of the timed inputs, whose geometric mean a sample is."""
    conditions: Mapping[str, float | str] = field(default_factory=dict)
    """Clocks, temperature and power around the timing; see `splashgen.tune.measure.sensors`."""

    @property
    def ok(self) -> bool:
        """Whether the candidate may win."""
        return self.status is Status.OK

    @property
    def median(self) -> float:
        """The median time in milliseconds; `statistics.StatisticsError` if the candidate was not timed."""
        return statistics.median(self.samples)

    @property
    def time(self) -> Interval:
        """The median time with its interval.

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
        )
