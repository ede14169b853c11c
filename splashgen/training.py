"""`AlphaSchedule`: a softmax model becomes an entmax model step by step."""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from splashgen.alpha import check_alpha

if TYPE_CHECKING:
    from splashgen.integrations.transformers import AlphaCallback

__all__ = ["AlphaSchedule", "Shape"]


class Shape(StrEnum):
    """How α goes from its start to its end."""

    LINEAR = "linear"
    COSINE = "cosine"
    """Slow at both ends."""
    EXPONENTIAL = "exponential"
    """α - 1 grows by the same factor at each step."""


@dataclass(frozen=True)
class AlphaSchedule:
    """α by training step, from nearly softmax to sparse.

    Parameters
    ----------
    start, end : float
        In [1.0001, 2].
    steps : int
        Steps from the start to the end, at least 1.
    shape : str
        `linear`, `cosine` or `exponential`.
    warmup : int
        Steps at `start` before α begins to move.

    Raises
    ------
    ValueError, TypeError
        If one of them is not allowed.

    Examples
    --------
    >>> schedule = AlphaSchedule(steps=100)
    >>> schedule(0), schedule(50), schedule(1000)
    (1.01, 1.255, 1.5)
    """

    start: float = 1.01
    end: float = 1.5
    steps: int = 1000
    shape: str = Shape.LINEAR
    warmup: int = 0

    def __post_init__(self) -> None:
        check_alpha(self.start)
        check_alpha(self.end)
        for name, least in (("steps", 1), ("warmup", 0)):
            value = getattr(self, name)
            if type(value) is not int or value < least:
                raise ValueError(f"{name} must be an int of at least {least}, but is {value!r}.")
        if self.shape not in list(Shape):
            raise ValueError(f"shape must be one of {', '.join(Shape)}, but is {self.shape!r}.")

    def __call__(self, step: int) -> float:
        """α at a step, counted from 0."""
        share = min(max((step - self.warmup) / self.steps, 0.0), 1.0)
        if share == 1.0:
            return self.end
        match Shape(self.shape):
            case Shape.COSINE:
                share = 0.5 - 0.5 * math.cos(math.pi * share)
            case Shape.EXPONENTIAL:
                return 1.0 + (self.start - 1.0) * ((self.end - 1.0) / (self.start - 1.0)) ** share
        return self.start + share * (self.end - self.start)

    def is_over(self, step: int) -> bool:
        """Whether α has reached its end at a step."""
        return step >= self.warmup + self.steps

    def callback(self) -> "AlphaCallback":
        """A callback for Transformers' Trainer that sets α at each step."""
        from splashgen.integrations.transformers import AlphaCallback

        return AlphaCallback(self)
