"""Whether an entry may still be trusted: its code must be the same, its versions nearly so."""

import functools
from enum import StrEnum

import jinja2

from splashgen.config import Config
from splashgen.problem import Problem
from splashgen.render import render
from splashgen.store.entry import Entry
from splashgen.store.provenance import Provenance, current, minor

__all__ = ["Freshness", "freshness"]


class Freshness(StrEnum):
    """Grades of staleness, each with its consequence."""

    FRESH = "fresh"
    NOTED = "noted"
    """The driver differs: used."""
    STALE = "stale"
    """A minor version of torch or triton differs: used, until `splashgen verify` says otherwise."""
    CHANGED = "changed"
    """The rendered code differs: not used until `splashgen verify` passes it."""
    FAILED = "failed"
    """`splashgen verify` did not pass it: not used until it does, or until a tune replaces it."""

    @property
    def is_used(self) -> bool:
        """Whether the look-up takes an entry of this grade."""
        return self not in (Freshness.CHANGED, Freshness.FAILED)


def freshness(entry: Entry, made_with: Provenance) -> tuple[Freshness, str]:
    """The grade of an entry, and the sentence that explains it.

    Parameters
    ----------
    entry : Entry
        What is to be trusted.
    made_with : Provenance
        What its file says; the entry's own provenance goes before it.
    """
    if entry.failure:
        return Freshness.FAILED, f"`splashgen verify` did not pass it on {entry.tuned_at}: {entry.failure}"
    try:
        rendered = _hash_of(entry.problem.semantics(), entry.config)
    except (jinja2.TemplateError, ValueError, TypeError, NotImplementedError) as error:
        return Freshness.CHANGED, f"its kernel cannot be rendered any more: {error}"
    if rendered != entry.code_hash:
        return Freshness.CHANGED, "its kernel's code has changed since; `splashgen verify` re-checks it"
    made, now = entry.provenance or made_with, current()
    for name in ("torch", "triton"):
        before, after = getattr(made, name), getattr(now, name)
        if before and after and minor(before) != minor(after):
            return (
                Freshness.STALE,
                f"made with {name} {before}, here is {after}; `splashgen verify` re-checks it",
            )
    if made.driver and now.driver and made.driver != now.driver:
        return Freshness.NOTED, f"made with driver {made.driver}, here is {now.driver}"
    return Freshness.FRESH, ""


@functools.lru_cache(maxsize=4096)
def _hash_of(problem: Problem, config: Config) -> str:
    return render(problem, config).hash
