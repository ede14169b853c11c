"""Source text → a loaded module, through a content-addressed folder that only its owner can write."""

import functools
import hashlib
import importlib.util
import os
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
        module = sys.modules.get(name) or _load(name, _written(name, rendered.source))
    return Kernel(problem, config, rendered, module, module.forward, getattr(module, "backward", None))


def _written(name: str, source: str) -> Path:
    """The file that holds exactly `source`; what already lies there is compared, never trusted."""
    data = source.encode()
    for folder in _folders():
        path = folder / f"{name}.py"
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if _is_private(folder):
                if path.is_symlink() or not path.is_file() or path.read_bytes() != data:
                    _replace(path, data)
                return path
        except OSError:
            continue
    raise KernelError(
        f"No folder could be written for rendered kernels (tried {source_folder()} and a temporary one); "
        "set SPLASHGEN_CACHE_DIR to a folder that you own."
    )


def _folders() -> list[Path]:
    return [source_folder(), Path(_temporary_folder())]


@functools.cache
def _temporary_folder() -> str:
    return tempfile.mkdtemp(prefix="splashgen-")


def _is_private(folder: Path) -> bool:
    """Whether the folder is ours, and nobody else can put files into it."""
    if not hasattr(os, "getuid"):
        return True
    facts = folder.stat()
    if facts.st_uid != os.getuid():
        return False
    if facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        folder.chmod(0o700)
    return True


def _replace(path: Path, data: bytes) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _load(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise KernelError(f"The rendered file {path} cannot be imported.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module
