"""Where a search starts from: the stored config that it has to beat, and those of related problems."""

from pathlib import Path

from splashgen.config import Config
from splashgen.errors import ConfigFileError
from splashgen.gpu import Gpu
from splashgen.problem import Problem
from splashgen.store import Entry, Rung, load, lookup, user_folder

__all__ = ["incumbent", "relatives", "stored"]


def stored(problem: Problem, gpu: Gpu, folder: Path | None = None) -> tuple[Path, Entry] | None:
    """The file of this chip that has a winner for this problem, and its entry."""
    folder = user_folder() if folder is None else folder
    for path in sorted(folder.glob(f"{gpu.slug}*.yaml")):
        try:
            file = load(path)
        except ConfigFileError:  # saving will keep it aside, and says so
            continue
        for entry in file.entries if file.gpu.name == gpu.name else ():
            if entry.problem.bucketed() == problem.bucketed():
                return path, entry
    return None


def incumbent(problem: Problem, gpu: Gpu, folder: Path | None = None) -> Config | None:
    """The config that holds the place so far: stored before, or shipped for this very chip and problem."""
    own = stored(problem, gpu, folder)
    if own is not None:
        return own[1].config
    match = lookup(problem, gpu)
    return match.config if match.rung is Rung.EXACT else None


def relatives(problem: Problem, gpu: Gpu) -> tuple[Config, ...]:
    """What dispatch would take today: another length, another problem or another chip of the architecture."""
    return (lookup(problem, gpu).config,)
