"""`Limits`: when a search stops, and how long its steps may take."""

from dataclasses import dataclass, fields

__all__ = ["Limits"]


@dataclass(frozen=True, slots=True)
class Limits:
    """The budget of one problem. None means no limit."""

    trials: int | None = 100
    """Distinct candidates that are evaluated."""
    seconds: float | None = None
    """Of search; the final shoot-out comes on top."""
    stall: int | None = 50
    """Candidates in a row without an improvement of at least 1 % after which the search ends."""
    candidate_seconds: float = 60.0
    """After which a candidate counts as hung and its process is ended."""
    timing_seconds: float = 0.5
    """Spent on repetitions of one candidate."""
    shoot_out_seconds: float = 5.0
    """Spent on repetitions in the final comparison."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None and value <= 0:
                raise ValueError(f"{field.name} is {value!r}, but must be above 0 (or None for no limit).")
