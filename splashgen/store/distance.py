"""How far a tuned problem is from the one at hand: a sum over axes, or infinity where none may transfer."""

import math

from splashgen.problem import Problem, length_bucket

__all__ = ["differences", "distance", "doublings"]

_EXACT = ("operation", "alpha", "dtype", "training", "causal")
"""What changes the work per score so much that another value's config says nothing."""

_WEIGHTS = {
    "head_dim": 4.0,
    "value_dim": 4.0,
    "varlen": 3.0,
    "attn_mask": 3.0,
    "window": 2.0,
    "learned_alpha": 2.0,
    "alibi": 1.0,
    "key_padding": 1.0,
    "grouped": 1.0,
}
"""A doubling of the length costs 1; a flag that differs as much as this many doublings."""

_REACH = 14.0
"""Beyond this, lengths aside, the default is the better guess. Lengths transfer from any distance."""


def distance(tuned: Problem, wanted: Problem) -> float:
    """0 for the same tuning key, infinity where an axis differs that must not or too many do."""
    if any(getattr(tuned, name) != getattr(wanted, name) for name in _EXACT):
        return math.inf
    shape = 0.0
    for name, weight in _WEIGHTS.items():
        ours, theirs = getattr(tuned, name), getattr(wanted, name)
        if isinstance(ours, bool):
            shape += weight * (ours != theirs)
        else:
            shape += weight * _doublings(ours, theirs)
    length = _doublings(length_bucket(tuned.seq_len), length_bucket(wanted.seq_len))
    return math.inf if shape > _REACH else shape + length


def differences(tuned: Problem, wanted: Problem) -> dict[str, tuple[object, object]]:
    """Axis → (tuned, wanted) where the tuning keys differ."""
    ours, theirs = tuned.bucketed(), wanted.bucketed()
    axes = (*_EXACT, "seq_len", *_WEIGHTS)
    pairs = {name: (getattr(ours, name), getattr(theirs, name)) for name in axes}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def doublings(fields: dict[str, tuple[object, object]]) -> float:
    """How many doublings the numbers among the `differences` are apart, all axes together."""
    return sum(
        _doublings(ours, theirs)
        for ours, theirs in fields.values()
        if isinstance(ours, int) and isinstance(theirs, int) and not isinstance(ours, bool)
    )


def _doublings(ours: int, theirs: int) -> float:
    return 0.0 if ours == theirs else abs(math.log2(max(ours, 1) / max(theirs, 1)))
