"""Source text → a loaded module, through a content-addressed folder that is its owner's alone."""

import atexit
import functools
import hashlib
import linecache
import os
import shutil
import stat
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import platformdirs

from splashgen.config import Config
from splashgen.errors import KernelError
from splashgen.problem import Problem
from splashgen.render import Rendered, render
from splashgen.replacing import replace_file

__all__ = ["Kernel", "build", "source_folder"]

_LOCK = threading.Lock()


@dataclass(frozen=True, slots=True, eq=False)
class Kernel:
    """A rendered module, ready to call.

    Attributes
    ----------
    forward, backward : callable
        The host functions of the rendered file; `splashgen.cases` documents their contract per operation.
    """

    problem: Problem
    config: Config
    rendered: Rendered
    module: ModuleType
    forward: Callable[..., Any]
    backward: Callable[..., Any] | None
    """None where the problem is not a training one."""


def source_folder() -> Path:
    """Where rendered files lie: `SPLASHGEN_CACHE_DIR`, else the user's cache folder."""
    chosen = os.environ.get("SPLASHGEN_CACHE_DIR")
    base = Path(chosen) if chosen else Path(platformdirs.user_cache_dir("splashgen"))
    return base / "rendered"


def build(problem: Problem, config: Config) -> Kernel:
    """Render, write and import the module for `problem` with `config`; a case is built once a process."""
    return _build(problem.semantics(), config)


@functools.lru_cache(maxsize=4096)
def _build(problem: Problem, config: Config) -> Kernel:
    rendered = render(problem, config)
    # Triton reads a kernel's source from its file, so the text has to be one.
    name = f"splashgen_{hashlib.sha256(rendered.source.encode()).hexdigest()[:24]}"
    with _LOCK:
        module = sys.modules.get(name) or _load(name, rendered.source)
    return Kernel(problem, config, rendered, module, module.forward, getattr(module, "backward", None))


def _written(name: str, source: str) -> Path:
    """The file that holds exactly `source`; what already lies there is compared, never trusted."""
    data = source.encode()
    for folder_of in (source_folder, _temporary_folder):
        try:
            folder = folder_of()
            path = folder / f"{name}.py"
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if _is_private(folder):
                if path.is_symlink() or not path.is_file() or path.read_bytes() != data:
                    replace_file(path, data, private=True)
                return path
        except OSError:
            continue
    raise KernelError(
        f"No folder could be written for rendered kernels (tried {source_folder()} and a temporary one); "
        "set SPLASHGEN_CACHE_DIR to a folder that you own."
    )


@functools.cache
def _temporary_folder() -> Path:
    """Of this process, which removes it in the end; only made where the cache folder cannot be used."""
    folder = Path(tempfile.mkdtemp(prefix="splashgen-"))
    atexit.register(_remove, folder, os.getpid())
    return folder


def _remove(folder: Path, owner: int) -> None:
    if os.getpid() == owner:  # a forked child that ends before its parent leaves the folder to it
        shutil.rmtree(folder, ignore_errors=True)


def _is_private(folder: Path) -> bool:
    """Whether the folder is ours and no link; nobody else can look or write into it afterwards."""
    if not hasattr(os, "getuid"):
        return True
    facts = folder.lstat()
    if facts.st_uid != os.getuid() or not stat.S_ISDIR(facts.st_mode):
        return False
    if stat.S_IMODE(facts.st_mode) & 0o077:
        folder.chmod(0o700)
    return True


def _load(name: str, source: str) -> ModuleType:
    """Run the text itself: neither the file nor bytecode that lies beside it is trusted with what it says."""
    path = str(_written(name, source))
    module = ModuleType(name)
    module.__file__ = path
    # Whoever asks for the source, as Triton does, gets this text. Without a time it is never read again.
    linecache.cache[path] = len(source), None, source.splitlines(keepends=True), path
    sys.modules[name] = module
    try:
        exec(compile(source, path, "exec"), module.__dict__)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


def _unlock() -> None:
    """In a forked process: the thread that held the lock is not there to let go of it."""
    global _LOCK
    _LOCK = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_unlock)
