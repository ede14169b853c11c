"""Pairwise covering: few cases in which every value of a factor meets every value of every other one.

Faults are nearly always faults of one option or of two that meet (Kuhn, Wallace, Gallo 2004, "Software fault
interactions and implications for software testing"), and the full product takes hours.
"""

import itertools
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

__all__ = ["covering", "pairs"]

Case = dict[str, Any]
Pair = tuple[tuple[str, Any], tuple[str, Any]]

_TRIES = 10
"""Cases that are drawn for each one that is kept: more makes the set little smaller."""


def covering(factors: Mapping[str, Sequence[Any]], allowed: Callable[[Case], bool]) -> list[Case]:
    """Cases that together hold every allowed pair of values; always the same ones.

    Parameters
    ----------
    factors : mapping of str to sequence
        Every factor with its values.
    allowed : callable
        (a case, perhaps with factors left out) → whether some whole case like it makes sense.
    """
    chance = random.Random(0)
    missing = set(pairs(factors, allowed))
    cases = []
    while missing:
        drawn = [
            _grown(chance.choice(sorted(missing, key=repr)), factors, allowed, missing, chance)
            for _ in range(_TRIES)
        ]
        best = max(drawn, key=lambda case: len(missing & _pairs_of(case)))
        missing -= _pairs_of(best)
        cases.append({name: best[name] for name in factors})
    return cases


def pairs(factors: Mapping[str, Sequence[Any]], allowed: Callable[[Case], bool]) -> list[Pair]:
    """Every allowed pair of values of two factors."""
    return [
        ((first, one), (second, other))
        for first, second in itertools.combinations(factors, 2)
        for one in factors[first]
        for other in factors[second]
        if allowed({first: one, second: other})
    ]


def _grown(
    seed: Pair,
    factors: Mapping[str, Sequence[Any]],
    allowed: Callable[[Case], bool],
    missing: set[Pair],
    chance: random.Random,
) -> Case:
    """A whole case around a pair: factor by factor, the value that meets most partners for the first time."""
    case = dict(seed)
    order = {name: place for place, name in enumerate(factors)}
    for name in chance.sample([name for name in factors if name not in case], len(factors) - 2):
        values = [
            value
            for value in chance.sample(factors[name], len(factors[name]))
            if allowed({**case, name: value})
        ]
        case[name] = max(
            values,
            key=lambda value: sum(_ordered((name, value), other, order) in missing for other in case.items()),
        )
    return case


def _ordered(one: tuple[str, Any], other: tuple[str, Any], order: Mapping[str, int]) -> Pair:
    return (one, other) if order[one[0]] < order[other[0]] else (other, one)


def _pairs_of(case: Case) -> set[Pair]:
    return set(itertools.combinations(case.items(), 2))
