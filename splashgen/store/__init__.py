"""The store of tuned configs: entries, the YAML files that hold them, and the look-up that finds them."""

from splashgen.store.entry import Entry, GpuFacts, Regime, RunnerUp, Status, Timing, TunedFile
from splashgen.store.files import load, user_folder
from splashgen.store.provenance import Provenance, current
from splashgen.store.saving import save, write

__all__ = [
    "Entry",
    "GpuFacts",
    "Provenance",
    "Regime",
    "RunnerUp",
    "Status",
    "Timing",
    "TunedFile",
    "current",
    "load",
    "save",
    "user_folder",
    "write",
]
