"""`Match`: the answer of a look-up, how good it is, and everything that was tried on the way."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from splashgen.config import Config
from splashgen.store.entry import Entry

__all__ = ["Match", "Rung", "Source", "Step"]


class Rung(StrEnum):
    """How a config was found, from best to worst."""

    EXACT = "exact"
    """Tuned on this chip for the same tuning key."""
    NEAREST_LENGTH = "nearest length"
    """Tuned on this chip for the same tuning key at another length."""
    NEAREST_PROBLEM = "nearest problem"
    """Tuned on this chip for other head dims."""
    SAME_ARCHITECTURE = "same architecture"
    """Tuned on another chip of the same architecture; it fits this one."""
    PLANNED = "planned"
    """Compiled for this chip and ranked by a cost model, never run on it."""
    DEFAULT = "default"
    """The family's best single config; nothing was tuned that could answer."""


class Source(StrEnum):
    """Whose table answered."""

    USER = "user"
    SHIPPED = "shipped"
    FAMILY = "family"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was tried: an entry, a file, or the default."""

    rung: Rung
    source: Source
    verdict: str
    """`used`, or why it was not."""
    path: Path | None = None
    entry: Entry | None = None


@dataclass(frozen=True, slots=True)
class Match:
    """The config that a look-up found."""

    rung: Rung
    source: Source
    config: Config
    steps: tuple[Step, ...]
    """In the order in which they were tried; the last one answered."""
    entry: Entry | None = None
    path: Path | None = None
    note: str = ""
    """What is known against the entry without ruling it out, such as another torch."""
