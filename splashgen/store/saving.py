"""Writing files of tuned configs, so that nothing that was ever saved is lost."""

import contextlib
import itertools
import os
import re
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import filelock

from splashgen.errors import ConfigFileError
from splashgen.gpu import Gpu
from splashgen.replacing import replace_file
from splashgen.store.entry import Entry, GpuFacts, Status, TunedFile
from splashgen.store.files import checked, load, salvaged, user_folder
from splashgen.store.layout import text_of
from splashgen.store.provenance import Provenance, current

__all__ = ["check_writable", "merged", "save", "write"]

_LOCK_SECONDS = 120.0
_POLL_SECONDS = 0.005


def save(gpu: Gpu, entries: Sequence[Entry], folder: Path | None = None) -> Path:
    """Merge entries into the file of `gpu` and return its path.

    An entry replaces the one of the same key (`Entry.key`), but a planned one never replaces one that
    ran or failed. Readers see the old file or the new one, never a part; writers take turns. A file that
    cannot be read is kept beside the new one, and what is valid in it is taken over.

    Parameters
    ----------
    gpu : Gpu
        The chip that the entries are for.
    entries : sequence of Entry
        New results.
    folder : Path, optional
        Where to; the user's config folder if left out.

    Raises
    ------
    ConfigFileError
        If the folder cannot be written.
    """
    with _made(folder) as where, _locked(where):
        path, old, trouble = _file_of(gpu, where)
        aside = _write(path, merged(old, gpu, entries), spoiled=bool(trouble))
    if aside is not None:
        count = len(old.entries) if old else 0
        taken = f"{count} valid entries of it were taken over" if count else "nothing in it was usable"
        warnings.warn(f"{trouble} It is kept as {aside.name}; {taken}.", stacklevel=2)
    return path


def check_writable(folder: Path | None = None) -> None:
    """Find out before hours of search whether `save` could write there; the folder is made.

    Raises
    ------
    ConfigFileError
        If the folder cannot be written.
    """
    with _made(folder) as where, tempfile.TemporaryFile(dir=where):
        pass


def write(path: Path, file: TunedFile) -> None:
    """Replace `path` by `file` as a whole, under the lock of its folder.

    Raises
    ------
    ConfigFileError
        If the folder cannot be written.
    """
    with _writable(path.parent, given=True), _locked(path.parent):
        _write(path, file)


def merged(old: TunedFile | None, gpu: Gpu, entries: Sequence[Entry]) -> TunedFile:
    """The file that holds `entries` and what `old` has besides, each with the versions it was made with."""
    now = current()
    kept = {entry.key: entry for entry in old.entries} if old else {}
    if old:
        kept = {
            key: replace(entry, provenance=entry.provenance or old.provenance) for key, entry in kept.items()
        }
    for entry in entries:
        previous = kept.get(entry.key)
        if previous and entry.status is Status.PLANNED and _outranks_a_plan(previous, entry):
            continue
        kept[entry.key] = entry
    own = tuple(_without_common(entry, now) for entry in kept.values())
    return TunedFile(GpuFacts.of(gpu), now, own)


def _outranks_a_plan(previous: Entry, plan: Entry) -> bool:
    """What ran is worth more; and without the note that an entry failed, a shipped one like it is used."""
    return previous.status is not Status.PLANNED or (bool(previous.failure) and not plan.failure)


def _file_of(gpu: Gpu, folder: Path) -> tuple[Path, TunedFile | None, str]:
    """The file that entries of `gpu` go to, what it says, and why it cannot be read if it cannot.

    Chips of one slug differ (an H100 PCIe has fewer multiprocessors), and any CPU is called `cpu`: there may
    be `cpu.yaml` and `cpu-2.yaml`. Of several files of this very chip the one that look-up reads first is
    taken; without one, the first name that is free or whose file does not even say what chip it is of.
    """
    if not re.fullmatch(r"[a-z0-9]{1,64}", gpu.slug):
        raise ConfigFileError(
            f"The device's slug {gpu.slug!r} cannot name a file; it must be letters and digits."
        )
    known = {path: _existing(path) for path in _files_named(gpu.slug, folder)}
    for path, (file, trouble) in known.items():
        if file is not None and file.gpu.is_of(gpu):
            return path, file, trouble
    names = itertools.chain([gpu.slug], (f"{gpu.slug}-{number}" for number in itertools.count(2)))
    free = (folder / f"{name}.yaml" for name in names)
    path = next(path for path in free if path not in known or known[path][0] is None)
    return path, *known.get(path, (None, ""))


def _files_named(slug: str, folder: Path) -> list[Path]:
    """`<slug>.yaml` and all `<slug>-*.yaml`, broken links included, in look-up's order."""
    pattern = re.compile(rf"{slug}(-.*)?\.yaml")
    return [folder / name for name in sorted(os.listdir(folder)) if pattern.fullmatch(name)]


def _without_common(entry: Entry, common: Provenance) -> Entry:
    """Drop an entry's own provenance where the file says the same; the day is the entry's `tuned_at`."""
    own = entry.provenance
    return replace(entry, provenance=None) if own and replace(own, date=common.date) == common else entry


def _existing(path: Path) -> tuple[TunedFile | None, str]:
    """What is valid in a file, and what is wrong with it; the file stays as it is."""
    try:
        return load(path), ""
    except ConfigFileError as error:
        return salvaged(path), str(error)


def _set_aside(path: Path) -> Path:
    for number in itertools.count(1):
        aside = path.with_name(f"{path.name}.corrupt-{number}")
        if not os.path.lexists(aside):
            os.rename(path, aside)
            return aside
    raise AssertionError("count() does not end")


def _write(path: Path, file: TunedFile, spoiled: bool = False) -> Path | None:
    """Replace `path`; what is there and cannot be read is kept beside it, under the name that is returned."""
    data = text_of(file).encode()
    checked(path, data)  # what could not be read again is never written
    aside = _set_aside(path) if spoiled else None
    replace_file(path, data, durable=True)
    return aside


@contextlib.contextmanager
def _made(folder: Path | None) -> Iterator[Path]:
    """The folder that is meant, made if it is not there; a sentence if it cannot be, or not written to."""
    where = user_folder() if folder is None else Path(folder)
    with _writable(where, given=folder is not None):
        where.mkdir(parents=True, exist_ok=True)
        yield where


def _locked(folder: Path) -> filelock.BaseFileLock:
    return filelock.FileLock(folder / ".lock", timeout=_LOCK_SECONDS, poll_interval=_POLL_SECONDS)


@contextlib.contextmanager
def _writable(folder: Path, given: bool) -> Iterator[None]:
    """`given` is a folder that the caller names, so that no variable of the environment would change it."""
    try:
        yield
    except filelock.Timeout:
        raise ConfigFileError(
            f"Another process has held {folder / '.lock'} for {_LOCK_SECONDS:.0f} s; end it and try again."
        ) from None
    except OSError as error:
        way_out = "name another folder" if given else "set SPLASHGEN_CONFIG_DIR to a folder that is"
        raise ConfigFileError(
            f"Tuned configs cannot be written to {folder}: {error.strerror or error}; "
            f"make it writable or {way_out}."
        ) from error
