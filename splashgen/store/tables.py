"""The tables that this process can see: user's and shipped files, each read once until it changes on disk."""

import functools
import hashlib
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from splashgen._version import __version__
from splashgen.errors import ConfigFileError
from splashgen.resources import shipped_folder
from splashgen.store.entry import TunedFile
from splashgen.store.files import load, read_bytes, salvaged, user_folder
from splashgen.store.match import Source
from splashgen.store.provenance import current

__all__ = ["Table", "digest", "signature", "tables"]


@dataclass(frozen=True, slots=True)
class Table:
    """A file, what it says, and why not all of it could be used."""

    path: Path
    source: Source
    file: TunedFile | None
    trouble: str = ""

    @property
    def slug(self) -> str:
        """`h100` for `h100.yaml` and `h100-2.yaml`."""
        return self.path.stem.split("-")[0]


def tables() -> list[Table]:
    """Every file of tuned configs, the user's first; of a bad one, warned about once, the valid entries."""
    return [_read(path, source, facts) for path, source, facts in signature()]


def signature() -> tuple[tuple[Path, Source, tuple[int, int, int]], ...]:
    """What tells that a file was written, without reading any: while it is the same, so are the tables."""
    found = []
    for source, path in _paths():
        try:
            facts = path.lstat()
        except OSError:  # removed since it was listed
            continue
        found.append((path, source, (facts.st_mtime_ns, facts.st_size, facts.st_ino)))
    return tuple(found)


def digest() -> str:
    """A hash of all files, templates, the version and the fallback mode: the same one, the same choices."""
    mode = os.environ.get("SPLASHGEN_FALLBACK", "")
    mixture = hashlib.sha256(f"{__version__}\0{mode}\0{current().templates}".encode())
    for source, path in _paths():
        try:
            content = hashlib.sha256(read_bytes(path)).hexdigest()
        except ConfigFileError:  # nothing of it is used, whatever it is
            content = "unreadable"
        mixture.update(f"\0{source.value}\0{path.name}\0{content}".encode())
    return mixture.hexdigest()[:16]


def _paths() -> Iterator[tuple[Source, Path]]:
    for source, folder in ((Source.USER, user_folder()), (Source.SHIPPED, shipped_folder("tuned_configs"))):
        try:
            names = sorted(os.listdir(folder))
        except FileNotFoundError:
            continue
        except OSError as error:
            _warn_once(f"Tuned configs in {folder} are not used: {error.strerror}.")
            continue
        yield from ((source, folder / name) for name in names if name.endswith(".yaml") and name[0] != ".")


@functools.lru_cache(maxsize=256)
def _read(path: Path, source: Source, signature: tuple[int, int, int]) -> Table:
    """The signature is there for the cache: another one means another file."""
    try:
        return Table(path, source, load(path))
    except ConfigFileError as error:
        valid = salvaged(path)
        count = len(valid.entries) if valid else 0
        used = f"Its valid entries ({count}) are" if count else "The file is not"
        _warn_once(f"{error} {used} used.")
        return Table(path, source, valid, str(error))


@functools.lru_cache(maxsize=256)
def _warn_once(message: str) -> None:
    warnings.warn(message, stacklevel=2)
