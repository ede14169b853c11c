"""Steps from the best: which are taken, and in which order."""

from random import Random

import numpy as np
import pytest

from splashgen.config import Config
from splashgen.space import Space
from splashgen.tune.climb import step
from splashgen.tune.guess import improvements
from splashgen.tune.outcome import Outcome, Status
from splashgen.tune.records import Record

SPACE = Space("large", {"a": tuple(range(5)), "b": tuple(range(5)), "c": (False, True)})


def _config(a: int, b: int, c: bool = False) -> Config:
    return Config.of("large", {"a": a, "b": b, "c": c})


def _record(config: Config, ms: float | None) -> Record:
    outcome = Outcome(Status.WRONG) if ms is None else Outcome(Status.OK, samples=(ms,))
    return Record(config, str(config), outcome, 0.0, free=False)


def _step(records: list[Record], allowed=lambda config: True) -> Config | None:
    return step(SPACE, records, allowed, Random(0))


def _distance(one: Config, other: Config) -> int:
    return sum(one[name] != other[name] for name in one)


def test_without_a_correct_candidate_there_is_no_step() -> None:
    assert _step([]) is None
    assert _step([_record(_config(0, 0), None)]) is None


def test_a_step_changes_one_parameter_of_the_best() -> None:
    best = _config(2, 3, True)
    taken = _step([_record(_config(0, 0), 2.0), _record(best, 1.0), _record(_config(1, 1), 3.0)])
    assert taken is not None and _distance(taken, best) == 1


def test_two_parameters_change_where_one_was_not_enough() -> None:
    best = _config(0, 0)
    taken = _step([_record(best, 1.0)], lambda config: _distance(config, best) != 1)
    assert taken is not None and _distance(taken, best) == 2
    assert _step([_record(best, 1.0)], lambda config: False) is None


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
    gains = improvements(timed, untried)
    assert (gains > 0.0).all()
    assert gains[0] > gains[1]


def test_the_same_effect_is_guessed_for_what_agrees() -> None:
    """An untried config that agrees with a timed one in all but a parameter is expected near it."""
    timed = {_config(0, 0): 1.0, _config(4, 4): 10.0}
    near, far = improvements(timed, [_config(0, 1), _config(4, 1)])
    assert near > far


def test_more_is_expected_of_what_is_less_known() -> None:
    timed = {_config(0, b): 1.0 + 0.001 * b for b in range(4)}
    known, unknown = improvements(timed, [_config(0, 4), _config(3, 4, True)])
    assert unknown > known == pytest.approx(known)
