"""The next candidate: steps from the best and points elsewhere, and what is expected of them."""

from random import Random

import numpy as np
import pytest

from splashgen.config import Config
from splashgen.space import Space
from splashgen.tune.measure.outcome import Outcome, Status
from splashgen.tune.search.climb import step
from splashgen.tune.search.guess import improvements
from splashgen.tune.study.records import Record

SPACE = Space("large", {"a": tuple(range(5)), "b": tuple(range(5)), "c": (False, True)})


def _config(a: int, b: int, c: bool = False) -> Config:
    return Config.of("large", {"a": a, "b": b, "c": c})


def _record(config: Config, ms: float | None) -> Record:
    outcome = Outcome(Status.WRONG) if ms is None else Outcome(Status.OK, samples=(ms,))
    return Record(config, str(config), outcome, 0.0, free=False)


def _step(records: list[Record], allowed=lambda config: True, elsewhere=()) -> Config | None:
    return step(SPACE, records, elsewhere, allowed, Random(0))


def _improvements(timed: dict[Config, float], untried: list[Config]) -> np.ndarray:
    return improvements(SPACE.choices, timed, untried)


def _distance(one: Config, other: Config) -> int:
    return sum(one[name] != other[name] for name in one)


def test_without_a_correct_candidate_there_is_no_step() -> None:
    assert _step([]) is None
    assert _step([_record(_config(0, 0), None)]) is None


def test_a_step_changes_two_parameters_of_the_best_at_most() -> None:
    best = _config(2, 3, True)
    asked: list[Config] = []
    _step([_record(_config(0, 0), 2.0), _record(best, 1.0)], lambda config: bool(asked.append(config)))
    assert {_distance(config, best) for config in asked} == {1, 2}
    assert len(asked) == len(set(asked)) == 9 + 4 * 4 + 2 * 4


def test_without_an_allowed_candidate_there_is_none() -> None:
    assert _step([_record(_config(0, 0), 1.0)], lambda config: False) is None


def test_what_lies_elsewhere_is_taken_where_it_promises_more() -> None:
    """a=4 and b=4 were slow; what differs from the best in all parameters has never been seen to be."""
    records = [_record(_config(0, 0), 1.0), _record(_config(4, 0), 9.0), _record(_config(0, 4), 9.0)]
    step_to_slow, far = _config(4, 4), _config(2, 2, True)
    assert _step(records, {step_to_slow, far}.__contains__) == step_to_slow
    assert _step(records, {step_to_slow, far}.__contains__, [far]) == far


def test_what_helped_before_is_tried_first() -> None:
    """c=True made everything faster, and a=4 everything slower."""
    records = [
        _record(_config(0, 0), 4.0),
        _record(_config(1, 1), 4.1),
        _record(_config(1, 1, True), 2.1),
        _record(_config(0, 1), 4.0),
        _record(_config(0, 1, True), 2.0),
        _record(_config(4, 1), 8.0),
        _record(_config(4, 0), 8.0),
        _record(_config(3, 0), 1.9),
    ]
    tried = {record.config for record in records}
    assert _step(records, lambda config: config not in tried) == _config(3, 0, True)


def test_improvements_are_positive_and_largest_where_the_effects_say_so() -> None:
    timed = {_config(a, b): float(np.exp(0.2 * a + 0.1 * b)) for a in range(1, 5) for b in range(2, 5)}
    untried = [_config(1, 1), _config(4, 1), _config(1, 0, True)]
    gains = _improvements(timed, untried)
    assert (gains > 0.0).all()
    assert gains[0] > gains[1]


def test_the_same_effect_is_guessed_for_what_agrees() -> None:
    """An untried config that agrees with a timed one in all but a parameter is expected near it."""
    timed = {_config(0, 0): 1.0, _config(4, 4): 10.0}
    near, far = _improvements(timed, [_config(0, 1), _config(4, 1)])
    assert near > far


def test_more_is_expected_of_what_is_less_known() -> None:
    timed = {_config(0, b): 1.0 + 0.001 * b for b in range(4)}
    known, unknown = _improvements(timed, [_config(0, 4), _config(3, 4, True)])
    assert unknown > known == pytest.approx(known)


def test_numbers_that_stand_close_are_alike_and_words_are_not() -> None:
    """Between two fast values a third is expected to be fast; another word says nothing."""
    timed = {_config(0, 0): 8.0, _config(1, 0): 4.0, _config(2, 0): 1.0}
    close, distant = _improvements(timed, [_config(3, 0), _config(4, 0)])
    choices = {"a": ("p", "q", "r", "s", "t"), "b": SPACE.choices["b"], "c": (False, True)}
    named = {config.replace(a=choices["a"][int(config["a"])]): ms for config, ms in timed.items()}
    same, alike = improvements(choices, named, [_config(0, 0).replace(a=word) for word in "st"])
    assert same == pytest.approx(alike)
    assert close != pytest.approx(distant)
