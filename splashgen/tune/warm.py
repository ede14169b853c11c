"""Where a search starts from: the stored config that it has to beat, and those of related problems."""

from pathlib import Path

from splashgen.config import Config
from splashgen.errors import ConfigFileError
from splashgen.gpu import Gpu
from splashgen.problem import Problem
from splashgen.store import Entry, Rung, load, lookup, user_folder
from splashgen.store.saving import path_for

__all__ = ["incumbent", "relatives", "stored"]


def stored(problem: Problem, gpu: Gpu, folder: Path | None = None) -> Entry | None:
    """The entry of this problem in the file that winners are stored in."""
    path = path_for(gpu, user_folder() if folder is None else folder)
    if not path.exists():
        return None
    try:
        entries = load(path).entries
    except ConfigFileError:  # saving will keep it aside, and says so
        return None
    return next((entry for entry in entries if entry.problem.bucketed() == problem.bucketed()), None)


def incumbent(problem: Problem, gpu: Gpu, folder: Path | None = None) -> Config | None:
    """The config that holds the place so far: stored before, or shipped for this very chip and problem."""
    own = stored(problem, gpu, folder)
    if own is not None:
        return own.config
    match = lookup(problem, gpu)
    return match.config if match.rung is Rung.EXACT else None


def relatives(problem: Problem, gpu: Gpu) -> tuple[Config, ...]:
    """What dispatch would take today: another length, another problem or another chip of the architecture."""
    return (lookup(problem, gpu).config,)
