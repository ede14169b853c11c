"""The store of tuned configs: entries, the YAML files that hold them, and the look-up that finds them."""

from splashgen.store.entry import Entry, GpuFacts, Regime, RunnerUp, Status, Timing, TunedFile, title
from splashgen.store.files import load, user_folder
from splashgen.store.lookup import lookup
from splashgen.store.match import Match, Rung, Source, Step
from splashgen.store.nearby import nearest_miss, neighbours
from splashgen.store.provenance import Provenance, current
from splashgen.store.saving import save, write
from splashgen.store.staleness import Freshness, freshness

__all__ = [
    "Entry",
    "Freshness",
    "GpuFacts",
    "Match",
    "Provenance",
    "Regime",
    "Rung",
    "RunnerUp",
    "Source",
    "Status",
    "Step",
    "Timing",
    "TunedFile",
    "current",
    "freshness",
    "load",
    "lookup",
    "nearest_miss",
    "neighbours",
    "save",
    "title",
    "user_folder",
    "write",
]
