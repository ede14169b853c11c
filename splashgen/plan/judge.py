"""How good plans are: a model that never saw a problem or a chip against every candidate's measured time."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from splashgen.plan.advice import first_choices
from splashgen.plan.fit import fit
from splashgen.plan.model import Array, Constants, predicted_ms
from splashgen.plan.planner import Plan
from splashgen.plan.recorded import Recorded
from splashgen.render import render

__all__ = ["Judgement", "Planned", "judge", "judge_held_out", "judge_other_chip", "planned"]


@dataclass(frozen=True, slots=True)
class Judgement:
    """The model's ranking of one problem's candidates on one chip."""

    recorded: Recorded
    constants: Constants
    chosen: int
    """The place of the first choice."""
    best_ms: float
    chosen_ms: float
    default_ms: float | None
    spearman: float
    """Rank correlation of predicted and measured times over all candidates; NaN for fewer than two."""
    kendall: float
    error: float
    """Median of |ln(predicted / measured)|."""

    @property
    def speed(self) -> float:
        """Of the first choice, in proportion to the best candidate's: at most 1."""
        return self.best_ms / self.chosen_ms


@dataclass(frozen=True, slots=True)
class Planned:
    """What a plan would take, beside what was measured."""

    place: int
    """In the plan's own order, from 1, of the first candidate that was measured: 1 is the first choice."""
    speed: float
    """Of that candidate, in proportion to the best measured one's."""
    most: int
    """Candidates that the plan ranked."""


def planned(recorded: Recorded, plan: Plan) -> Planned | None:
    """How fast the first choice of a plan is, or, if nobody measured it, the next one that somebody did.

    A plan walks from the default over candidates of its own: it does not know which of them were measured.
    None if none of them was.
    """
    hashes = [render(recorded.problem, config).hash for config in recorded.configs]
    for place, config in enumerate(first_choices(plan, len(plan.ranked)), 1):
        code = render(plan.problem, config).hash
        if code in hashes:
            times = recorded.measured.times_ms
            return Planned(place, float(times.min() / times[hashes.index(code)]), len(plan.ranked))
    return None


def judge(recorded: Recorded, constants: Constants) -> Judgement:
    """Compare what the model says of every candidate with what was measured."""
    predicted, times = predicted_ms(recorded.measured.terms, constants), recorded.measured.times_ms
    chosen = int(np.argmin(predicted))
    return Judgement(
        recorded,
        constants,
        chosen,
        float(times.min()),
        float(times[chosen]),
        None if recorded.default is None else float(times[recorded.default]),
        _spearman(predicted, times),
        _kendall(predicted, times),
        float(np.median(np.abs(np.log(predicted / times)))),
    )


def judge_held_out(problems: Sequence[Recorded], start: Constants) -> list[Judgement]:
    """Judge each problem with constants fitted to the others of its chip.

    Raises
    ------
    ValueError
        If there are fewer than two problems, or they are not of one chip.
    """
    if len(problems) < 2 or len({each.gpu.name for each in problems}) != 1:
        raise ValueError("Holding problems out takes recordings of at least two problems, all of one chip.")
    return [
        judge(each, fit([other.measured for other in problems if other is not each], start))
        for each in problems
    ]


def judge_other_chip(
    problems: Sequence[Recorded], others: Sequence[Recorded], start: Constants
) -> list[Judgement]:
    """Judge the problems of `others` with constants fitted to all of `problems`, of another chip."""
    constants = fit([each.measured for each in problems], start)
    return [judge(each, constants) for each in others]


def _ranks(values: Array) -> Array:
    """From 0, equal values sharing the mean of their ranks."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks: Array = (ends - (counts + 1) / 2.0)[inverse]
    return ranks


def _spearman(first: Array, second: Array) -> float:
    """The correlation of the ranks."""
    first, second = _ranks(first), _ranks(second)
    first, second = first - first.mean(), second - second.mean()
    size = float(np.sqrt((first @ first) * (second @ second)))
    return float(first @ second) / size if size else float("nan")


def _kendall(first: Array, second: Array) -> float:
    """τ_b: pairs in the same order less pairs in the other one, over the pairs that are not tied."""
    signs = [np.sign(values[:, None] - values[None, :]) for values in (first, second)]
    size = float(np.sqrt((signs[0] ** 2).sum() * (signs[1] ** 2).sum()))
    return float((signs[0] * signs[1]).sum()) / size if size else float("nan")
