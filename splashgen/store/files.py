"""Files of tuned configs: where they lie, and how one is read and checked."""

import contextlib
import os
import stat
from pathlib import Path
from typing import Any

import platformdirs
from pydantic import ValidationError

from splashgen.errors import ConfigFileError
from splashgen.store.entry import Entry, TunedFile
from splashgen.store.schema import EntryModel, FileModel
from splashgen.store.strict_yaml import MAX_BYTES, parse

__all__ = ["checked", "load", "read_bytes", "salvaged", "user_folder"]


def user_folder() -> Path:
    """Where the user's own results lie: `SPLASHGEN_CONFIG_DIR`, else the user's config folder."""
    chosen = os.environ.get("SPLASHGEN_CONFIG_DIR")
    return Path(chosen) if chosen else Path(platformdirs.user_config_dir("splashgen"))


def load(path: Path) -> TunedFile:
    """Read a file and check every word of it.

    Raises
    ------
    ConfigFileError
        If it cannot be read or is not what the schema allows; the sentence names file, entry and field.
    """
    return checked(Path(path), read_bytes(Path(path)))


def read_bytes(path: Path) -> bytes:
    """The bytes of a regular file, at most one more than allowed; links, pipes and devices are refused."""
    flags = (
        os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    )
    try:
        with os.fdopen(os.open(path, flags), "rb") as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise ConfigFileError(f"{path} is not a regular file; move it away.")
            return stream.read(MAX_BYTES + 1)
    except OSError as error:
        why = "it is a symbolic link; put the file itself there" if path.is_symlink() else error.strerror
        raise ConfigFileError(f"{path} cannot be read: {why}.") from None


def checked(path: Path, data: bytes) -> TunedFile:
    """What `data` says, as the file `path` or as what is about to become it; raises `ConfigFileError`."""
    try:
        whole = FileModel.model_validate(parse(data))
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigFileError(f"{path}, {_place(first['loc'])}: {first['msg']}.") from None
    except ValueError as error:
        raise ConfigFileError(f"{path} was refused: {error}.") from None
    entries: dict[Any, Entry] = {}
    for number, model in enumerate(whole.entries, 1):
        try:
            entry = model.build()
        except ValueError as error:
            raise ConfigFileError(f"{path}, entry {number}: {error}") from None
        if entry.key in entries:
            raise ConfigFileError(f"{path}, entry {number}: there is already an entry for «{entry.problem}».")
        entries[entry.key] = entry
    return whole.build(tuple(entries.values()))


def salvaged(path: Path) -> TunedFile | None:
    """What is valid in a file that is not: an upgrade may know a parameter that its entries lack.

    None if it does not even say what chip it is of.
    """
    try:
        raw = parse(read_bytes(path))
        whole = FileModel.model_validate({**raw, "entries": []})
    except (ConfigFileError, ValueError, TypeError):
        return None
    entries: dict[Any, Entry] = {}
    for values in raw["entries"] if isinstance(raw.get("entries"), list) else ():
        with contextlib.suppress(ValueError):
            entry = EntryModel.model_validate(values).build()
            entries[entry.key] = entry
    return whole.build(tuple(entries.values()))


def _place(location: tuple[int | str, ...]) -> str:
    """`entry 4, field time_ms.median` for ('entries', 3, 'time_ms', 'median')."""
    if location[:1] == ("entries",) and len(location) > 1 and isinstance(location[1], int):
        entry, rest = f"entry {location[1] + 1}", location[2:]
        return f"{entry}, field {'.'.join(map(str, rest))}" if rest else entry
    return f"field {'.'.join(map(str, location))}" if location else "top level"
