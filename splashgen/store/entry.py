"""`Entry`: one tuned config and what is known about it; `TunedFile`: the entries of one GPU."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from splashgen.config import Config
from splashgen.gpu import Gpu
from splashgen.problem import Problem
from splashgen.store.provenance import Provenance

__all__ = ["Entry", "GpuFacts", "Key", "Regime", "RunnerUp", "Status", "Timing", "TunedFile", "title"]


class Status(StrEnum):
    """How an entry came to be."""

    MEASURED = "measured"
    """Timed and checked on the chip that its file names."""
    TRANSFERRED = "transferred"
    """Checked on the chip, timed on another."""
    PLANNED = "planned"
    """Compiled for the chip and ranked by a cost model; never run on it."""


class Regime(StrEnum):
    """The kind of scores that an entry was tuned on."""

    DENSE = "dense"
    """Nearly every tile of scores holds support."""
    MIXED = "mixed"
    """The others together: what is not known beforehand."""
    SPARSE = "sparse"
    """Most tiles hold none."""


def title(problem: Problem, regime: Regime) -> str:
    """The problem as people and names of studies spell it; the mixture goes without saying."""
    return str(problem) if regime is Regime.MIXED else f"{problem}, {regime.value} scores"


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds: the median and the interval around it."""

    median: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class RunnerUp:
    """The second best config, and its time."""

    config: Config
    time_ms: Timing


Key = tuple[Problem, Regime]
"""What one file holds one entry for: the problem at its length bucket, masks included, and the regime."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One tuned config."""

    problem: Problem
    config: Config
    code_hash: str
    """Of the code rendered from both when the entry was made: 16 hexadecimal digits."""
    status: Status
    time_ms: Timing
    """Measured, or, of a planned entry, the cost model's estimate, which files call `predicted_ms`."""
    error: Mapping[str, float] = field(default_factory=dict)
    """Relative errors by output, and their budgets."""
    trials: int = 0
    tuned_at: str = ""
    """ISO date."""
    regime: Regime = Regime.MIXED
    default_time_ms: Timing | None = None
    """Of the family's default config, measured beside it."""
    runner_up: RunnerUp | None = None
    provenance: Provenance | None = None
    """None: what its file says."""
    failure: str = ""
    """What `splashgen verify` found on the day of `tuned_at`: such an entry is not used. Empty: nothing."""

    @property
    def day(self) -> int:
        """`tuned_at` as a number that grows with time; 0 where it is not known."""
        return int(self.tuned_at.replace("-", "") or 0)

    @property
    def key(self) -> Key:
        """What a file holds it under: the problem at its length bucket, and the regime."""
        return self.problem.bucketed(), self.regime

    @property
    def title(self) -> str:
        """The problem, and the regime if it is not the mixture."""
        return title(self.problem, self.regime)


@dataclass(frozen=True, slots=True)
class GpuFacts:
    """The chip that a file was made on, as its driver reported it."""

    name: str
    compute_capability: str
    multiprocessors: int
    memory: int
    shared_memory: int

    @classmethod
    def of(cls, gpu: Gpu) -> "GpuFacts":
        """The facts that a file keeps of `gpu`."""
        return cls(gpu.name, gpu.compute_capability, gpu.multiprocessors, gpu.memory, gpu.shared_memory)

    def is_of(self, gpu: "Gpu | GpuFacts") -> bool:
        """Whether these are facts of that chip: a name may be shared, as by CPUs of 2 and of 96 cores."""
        return (self.name, self.multiprocessors) == (gpu.name, gpu.multiprocessors)


@dataclass(frozen=True, slots=True)
class TunedFile:
    """What one YAML file says."""

    gpu: GpuFacts
    provenance: Provenance
    entries: tuple[Entry, ...]
