"""Ahead of time: a problem's kernels as binaries in a folder that launches them without a compiler."""

from splashgen.aot.folder import export_aot

__all__ = ["export_aot"]
