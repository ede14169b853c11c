"""Which versions an entry was made with, and how much a difference to the present ones matters."""

import datetime
import functools
import hashlib
import importlib.metadata
import re
from dataclasses import dataclass
from pathlib import Path

from splashgen._version import __version__
from splashgen.resources import shipped_folder

__all__ = ["Provenance", "current", "minor"]


@dataclass(frozen=True, slots=True)
class Provenance:
    """Versions as their packages report them; empty where there is none."""

    splashgen: str
    torch: str
    triton: str
    driver: str
    date: str
    """ISO date."""
    templates: str = ""
    """A hash of all templates."""


def current() -> Provenance:
    """What is installed here, without importing torch or triton."""
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    return Provenance(__version__, _version("torch"), _version("triton"), _driver(), today, _templates())


def minor(version: str) -> str:
    """Its major and minor part: `2.13` of `2.13.0+cpu`; times compare as long as it is the same."""
    return ".".join(version.split("+")[0].split(".")[:2])


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""


@functools.cache
def _driver() -> str:
    for path in ("/proc/driver/nvidia/version", "/sys/module/amdgpu/version"):
        try:
            found = re.search(r"\d+\.\d+(\.\d+)*", Path(path).read_text(encoding="utf-8", errors="replace"))
        except OSError:
            continue
        if found:
            return found.group()
    return ""


@functools.cache
def _templates() -> str:
    digest = hashlib.sha256()
    folder = shipped_folder("templates")
    for path in sorted(folder.rglob("*.j2")):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]
