"""The tuning key: what of a problem a table is tuned by."""

from dataclasses import replace

from splashgen.problem import Problem

__all__ = ["tuning_key"]


def tuning_key(problem: Problem) -> Problem:
    """What `splashgen tune` tunes: operation, α class, dtype, head dims, causality, training, length.

    The length is rounded up to a power of two. Masks, biases, packing and grouping are left out: they take
    their config from the same problem without them, which keeps the tables in the low hundreds of entries.
    Entries for them can be stored all the same, and then answer first.
    """
    return replace(
        problem.bucketed(),
        window=False,
        alibi=False,
        key_padding=False,
        attn_mask=False,
        varlen=False,
        grouped=False,
        learned_alpha=False,
    )
