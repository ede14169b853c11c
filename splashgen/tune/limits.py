"""`Limits`: when a search stops, and how long its steps may take."""

from dataclasses import dataclass, fields, replace

__all__ = ["Limits"]


@dataclass(frozen=True, slots=True)
class Limits:
    """The budget of one problem. None means no limit."""

    trials: int | None = 100
    """Distinct candidates that are evaluated."""
    seconds: float | None = None
    """Of search, from the first compiled kernel on; the final shoot-out comes on top."""
    total_seconds: float | None = None
    """For all problems of a call together: each search gets half of its even share of what is left, and the
    other half is for the final gate and the shoot-out."""
    stall: int | None = 50
    """Candidates in a row without an improvement of at least 1 % after which the search ends."""
    candidate_seconds: float = 60.0
    """After which a candidate counts as hung and its process is ended."""
    timing_seconds: float = 0.5
    """The most that is spent on repetitions of one candidate."""
    shoot_out_seconds: float = 5.0
    """Spent on repetitions in the final comparison."""

    def share(self, spent: float, problems: int) -> "Limits":
        """The limits of the next of `problems` problems that are left, after `spent` seconds."""
        if self.total_seconds is None:
            return self
        share = max(self.total_seconds - spent, 1.0) / problems / 2.0
        return replace(self, seconds=min(share, self.seconds or share))

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None and value <= 0:
                raise ValueError(f"{field.name} is {value!r}, but must be above 0 (or None for no limit).")
