"""Writing a file as a whole: whoever reads it sees the old one or the new one, never a part."""

import contextlib
import errno
import functools
import os
import secrets
from pathlib import Path

__all__ = ["make_folder", "replace_file"]

_KEPT = 32
"""Letters of the file's name that its temporary one has: names are limited to 255 bytes."""


def make_folder(folder: Path) -> None:
    """Make a folder and those above it; `NotADirectoryError` where there is a file of that name.

    `Path.mkdir` raises `FileExistsError` then, which callers keep for what they are about to write.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder)) from None


def replace_file(
    path: Path, data: bytes | str, *, durable: bool = False, private: bool = False, new: bool = False
) -> None:
    """Put a file with `data` in the place of `path`; after a failure all is as it was.

    It is written beside `path` under a name that begins with a dot, and renamed. A link is replaced, what it
    points at is not. Text is written in UTF-8.

    Parameters
    ----------
    path : Path
        The file; its folder must exist.
    data : bytes or str
        All that it shall hold.
    durable : bool
        Wait until the disk has it: a crash of the machine leaves the old file or the new one.
    private : bool
        Only its owner may read it; otherwise the umask decides.
    new : bool
        There must be no file of that name.

    Raises
    ------
    FileExistsError
        If there is a file, and `new` asks for none.
    OSError
        If it cannot be written.
    """
    content = data.encode() if isinstance(data, str) else data
    temporary = path.with_name(f".{path.name[:_KEPT]}.{secrets.token_hex(8)}.tmp")
    opener = functools.partial(os.open, mode=0o600 if private else 0o666)
    with contextlib.ExitStack() as undo:
        undo.callback(_remove, temporary)
        with open(temporary, "xb", opener=opener) as stream:
            stream.write(content)
            if durable:
                stream.flush()
                os.fsync(stream.fileno())
        if new:
            path.touch(exist_ok=False)  # The name is ours now, whoever else wants it.
            undo.callback(_remove, path)
        os.replace(temporary, path)
        undo.pop_all()
    if durable and os.name == "posix":
        _sync(path.parent)


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()


def _sync(folder: Path) -> None:
    """A name is kept by its folder, which has to reach the disk as well."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
