"""The versions that a measurement depends on: studies of different ones never mix."""

import importlib.metadata

from splashgen._version import __version__

__all__ = ["versions"]


def versions() -> str:
    """Major and minor versions of splashgen, triton and torch: `splashgen 0.1, triton 3.6, torch 2.13`."""
    parts = [f"splashgen {_minor(__version__)}"]
    for package in ("triton", "torch"):
        try:
            parts.append(f"{package} {_minor(importlib.metadata.version(package))}")
        except importlib.metadata.PackageNotFoundError:
            parts.append(f"no {package}")
    return ", ".join(parts)


def _minor(version: str) -> str:
    return ".".join(version.split("+")[0].split(".")[:2])
