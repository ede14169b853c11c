"""`Contents`: everything that a report shows, gathered once, whatever it is then written as."""

import datetime
from dataclasses import dataclass

import optuna

from splashgen.gpu import KNOWN_GPUS
from splashgen.report.coverage import Coverage, coverage
from splashgen.report.histories import History, read_histories
from splashgen.report.theme import ReportError
from splashgen.store import Provenance, current
from splashgen.store.tables import Table, tables
from splashgen.tune.measure.noise import geometric_mean

__all__ = ["Contents", "collect"]


@dataclass(frozen=True, slots=True)
class Contents:
    """What a report shows."""

    histories: tuple[History, ...]
    """Sorted by GPU and problem."""
    foreign: tuple[str, ...]
    """Names of studies that another version of splashgen wrote."""
    coverage: tuple[Coverage, ...]
    tables: tuple[Table, ...]
    """The files that dispatch reads."""
    made: str
    """When the report was made: ISO date and minutes, UTC."""
    here: Provenance
    """What the report was made with."""

    @property
    def speed_up(self) -> float | None:
        """Geometric mean of default time / tuned time over the finished problems; None if there is none."""
        gains = [gain for history in self.histories if (gain := speed_up(history)) is not None]
        return geometric_mean(gains) if gains else None


def speed_up(history: History) -> float | None:
    """Default time / tuned time in the shoot-out, or None while there is none."""
    entry = history.entry
    if entry is None or entry.default_time_ms is None:
        return None
    return entry.default_time_ms.median / entry.time_ms.median


def collect(storage: optuna.storages.BaseStorage | None, gpu: str | None = None) -> Contents:
    """Read the studies and the tables.

    Parameters
    ----------
    storage : optuna.storages.BaseStorage or None
        Where the studies lie; None if nothing was tuned yet.
    gpu : str, optional
        The slug of the only chip that is wanted.

    Raises
    ------
    ReportError
        If nothing is known of that chip.
    """
    histories, foreign = read_histories(storage, gpu) if storage is not None else ([], [])
    covered = coverage(gpu)
    if not histories and not covered:
        raise ReportError(
            f"--gpu is {gpu!r}, but there is no study and no tuned config for it; "
            f"known are {', '.join(KNOWN_GPUS)} and cpu."
        )
    now = datetime.datetime.now(datetime.UTC)
    return Contents(
        histories=tuple(sorted(histories, key=lambda one: (one.gpu.slug, one.title))),
        foreign=tuple(foreign),
        coverage=tuple(covered),
        tables=tuple(table for table in tables() if gpu in (None, table.slug)),
        made=f"{now:%Y-%m-%d %H:%M} UTC",
        here=current(),
    )
