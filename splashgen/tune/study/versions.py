"""The versions that a measurement depends on: studies of different ones never mix."""

import importlib.metadata

from splashgen._version import __version__
from splashgen.store.provenance import minor

__all__ = ["versions"]


def versions() -> str:
    """Major and minor versions of splashgen, triton and torch: `splashgen 0.1, triton 3.6, torch 2.13`."""
    parts = [f"splashgen {minor(__version__)}"]
    for package in ("triton", "torch"):
        try:
            parts.append(f"{package} {minor(importlib.metadata.version(package))}")
        except importlib.metadata.PackageNotFoundError:
            parts.append(f"no {package}")
    return ", ".join(parts)
