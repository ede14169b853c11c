"""Several recordings of one problem on one kind of chip as one."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from splashgen.tune.recordings.recording import Recording, Row

__all__ = ["merged"]


def merged(recordings: Iterable[Recording]) -> list[Recording]:
    """One recording for each problem and chip, in the order of their first ones.

    A fit that holds a problem out must not see it in another recording. A candidate that was measured more
    than once keeps all its samples; one that was ever wrong stays wrong, since each tune asks it something
    else. Head and space are those of the recording that has the most points.
    """
    groups: dict[tuple[object, ...], list[Recording]] = {}
    for each in recordings:
        head = each.head
        key = head.problem, head.gpu.name, head.gpu.multiprocessors, head.family
        groups.setdefault(key, []).append(each)
    return [_one(group) for group in groups.values()]


def _one(group: Sequence[Recording]) -> Recording:
    rows: dict[str, Row] = {}
    for recording in group:
        for row in recording.rows:
            known = rows.get(row.code_hash)
            rows[row.code_hash] = row if known is None else _both(known, row)
    head = max(group, key=lambda each: each.head.points).head
    return Recording(head, tuple(rows.values()))


def _both(one: Row, other: Row) -> Row:
    """Of two rows for the same code."""
    if not (one.outcome.ok and other.outcome.ok):
        return other if one.outcome.ok else one
    outcome = replace(one.outcome, samples=(*one.outcome.samples, *other.outcome.samples))
    return replace(one, outcome=outcome, kernels=one.kernels or other.kernels)
