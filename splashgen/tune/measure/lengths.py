"""At which lengths a config is timed: the bucket's own, and a ragged one inside the bucket."""

from dataclasses import replace

from splashgen.problem import Problem

__all__ = ["ragged"]

_SHORTEST = 64
"""Buckets below it have no length apart from their own that is worth timing."""


def ragged(problem: Problem) -> Problem | None:
    """The problem at a length between the bucket's ends that fills no tile; None in the shortest buckets.

    A winner serves every length of its bucket, and what is best where tiles are full need not be where they
    are not.
    """
    if problem.seq_len < _SHORTEST:
        return None
    return replace(problem, seq_len=problem.seq_len * 11 // 16 + 5)
