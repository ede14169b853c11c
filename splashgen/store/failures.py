"""What `splashgen verify` found to fail on a chip, and which entries of other files that speaks against."""

from collections.abc import Sequence

from splashgen.store.entry import Entry
from splashgen.store.match import Source
from splashgen.store.staleness import Freshness, freshness
from splashgen.store.tables import Table

__all__ = ["covers", "standing"]

_SOURCES = tuple(Source)


def standing(entry: Entry, table: Table, known: Sequence[Table]) -> tuple[Freshness, str]:
    """The grade of an entry of `table`, and why: its own, unless it failed according to another table.

    A shipped file cannot be written, so what fails of it is noted in the user's file; that counts until a
    later verification or tune replaces the note. A file of the same folder is outvoted only by one as new.

    Parameters
    ----------
    entry : Entry
        What is to be trusted.
    table : Table
        Where it stands; it has a file.
    known : sequence of Table
        All tables.
    """
    assert table.file is not None
    place = _SOURCES.index(table.source)
    for other in known if not entry.failure else ():
        if other.file is None or not other.file.gpu.is_of(table.file.gpu):
            continue
        before = _SOURCES.index(other.source) - place
        for one in other.file.entries:
            if covers(one, entry) and (before < 0 or (before == 0 and one.tuned_at >= entry.tuned_at)):
                return freshness(one, other.file.provenance)
    return freshness(entry, table.file.provenance)


def covers(failed: Entry, entry: Entry) -> bool:
    """Whether the first failed and the second, which does not say so, is the same code for the same key."""
    if not failed.failure or entry.failure:
        return False
    return (failed.key, failed.config, failed.code_hash) == (entry.key, entry.config, entry.code_hash)
