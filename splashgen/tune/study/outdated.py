"""Whether the winner of a finished study may still be taken over."""

from collections.abc import Mapping
from typing import Any

from splashgen.store import Entry, current, freshness
from splashgen.store.schema import EntryModel

__all__ = ["is_used", "outdated", "winner_of"]


def winner_of(finished: Mapping[str, Any]) -> Entry:
    """The entry that a study ended with; `ValueError` if its problem or config is none of this version."""
    entry: Entry = EntryModel.model_validate(finished["entry"]).build()
    return entry


def is_used(entry: Entry) -> bool:
    """Whether the look-up takes an entry made with these versions: its code is the same, nothing failed."""
    return freshness(entry, current())[0].is_used


def outdated(finished: Mapping[str, Any], stored: Entry | None) -> bool:
    """Whether a problem has to be tuned anew although its study is finished.

    A study's name has the versions in it, but templates may change within one. The look-up no longer takes a
    winner whose code is another now, or that `splashgen verify` did not pass, and asks for a tune.

    Parameters
    ----------
    finished : mapping
        What the study says of its end.
    stored : Entry, optional
        The user's entry for the same key: if `splashgen verify` has renewed it, nothing is outdated.
    """
    if stored is not None and is_used(stored):
        return False
    try:
        winner = winner_of(finished)
    except ValueError:
        return True
    same = stored is not None and (stored.config, stored.code_hash) == (winner.config, winner.code_hash)
    return same or not is_used(winner)
