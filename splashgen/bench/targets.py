"""Targets: what benchmarks/targets.yaml may say."""

from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from splashgen.bench.results import BenchError

__all__ = ["Band", "Target", "Targets", "load_targets"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Band(_Strict):
    """What is asked of the cells up to some tile density; the first band that a cell falls into counts."""

    density: float = 1.0
    at_least: float | None = None
    at_most: float | None = None

    @model_validator(mode="after")
    def _one_sided(self) -> "Band":
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("a band has either at_least or at_most")
        return self

    def meets(self, value: float) -> bool:
        """Whether a value reaches the target."""
        if self.at_least is not None:
            return value >= self.at_least
        assert self.at_most is not None
        return value <= self.at_most

    @property
    def sign(self) -> str:
        """`≥ 1.4` or `≤ 1.8`."""
        return f"≥ {self.at_least:g}" if self.at_least is not None else f"≤ {self.at_most:g}"


class Target(_Strict):
    """One line of the table."""

    name: str
    kind: Literal["speed", "floor", "error", "memory", "first_call", "copy_share", "entmax_speed", "overhead"]
    """`speed`: a peer's time over ours. `floor`: our time over that of the unavoidable work. `error`: our
    largest error over its budget. `memory`: our peak over a peer's. `first_call`: seconds, its cache being
    `cold` or `warm`. `copy_share`, `entmax_speed`: a copy's, or a peer's, time over our row-wise entmax's.
    `overhead`: microseconds that a call of ours takes beyond the bare launch of its kernels in the same
    round, the median of all rounds."""
    peer: str | None = None
    phase: Literal["forward", "backward", "both", "cold", "warm", "inference", "training"] = "forward"
    seq_len: tuple[int, ...] | None = None
    """The lengths it is about; all if left out. The same for the next four."""
    head_dim: tuple[int, ...] | None = None
    workload: tuple[str, ...] | None = None
    alpha: tuple[str, ...] = ("1.5",)
    causal: bool = True
    bands: tuple[Band, ...]

    @model_validator(mode="after")
    def _against_somebody(self) -> "Target":
        if (self.kind in ("speed", "memory", "entmax_speed")) != (self.peer is not None):
            raise ValueError("speed, memory and entmax_speed name a peer, and the other kinds do not")
        return self

    def band(self, density: float | None) -> Band | None:
        """What is asked at a density; the last band where it is not known, None above all bands."""
        if density is None:
            return self.bands[-1]
        return next((band for band in self.bands if density <= band.density), None)


class Targets(_Strict):
    """The file."""

    gpu: str
    """The slug of the chip that the targets are for."""
    targets: tuple[Target, ...]


def load_targets(path: Path) -> Targets:
    """Read a file of targets.

    Raises
    ------
    BenchError
        If it cannot be read or does not follow the schema.
    """
    try:
        return Targets.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise BenchError(
            f"{path} cannot be read as targets: {error.strerror}. In a clone of the repository they are "
            "benchmarks/targets.yaml, for the results in benchmarks/results; elsewhere name them with "
            "--targets and --results."
        ) from None
    except (ValueError, yaml.YAMLError) as error:
        raise BenchError(f"{path} cannot be read as targets: {_short(error)}") from None


def _short(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors()[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
