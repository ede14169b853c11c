import pytest

from splashgen.config import Config
from splashgen.tune.confirm import Standing, winner
from splashgen.tune.outcome import Outcome, Status

HOLDER, FIRST, SECOND = (Config.of("aaa_faulty", {"delay_ms": number}) for number in (1, 2, 3))


def _standing(config: Config, *samples: float) -> Standing:
    return Standing(config, Outcome(Status.OK, samples=samples))


def test_the_holder_stays_where_the_difference_is_noise() -> None:
    holder = _standing(HOLDER, 1.00, 1.10, 0.90, 1.05, 0.95, 1.02, 0.98, 1.00)
    lucky = _standing(FIRST, 0.95, 1.15, 0.88, 1.08, 0.90, 1.05, 0.99, 0.97)
    assert lucky.time.median < holder.time.median
    assert winner([holder, lucky], HOLDER).config == HOLDER


def test_the_holder_falls_beyond_the_noise() -> None:
    holder = _standing(HOLDER, 1.00, 1.10, 0.90, 1.05, 0.95)
    faster = _standing(FIRST, 0.90, 0.99, 0.81, 0.94, 0.86)
    assert winner([holder, faster], HOLDER).config == FIRST


def test_a_noisy_first_does_not_hide_a_steady_second() -> None:
    holder = _standing(HOLDER, 1.00, 1.00, 1.00, 1.00, 1.00, 1.00)
    noisy = _standing(FIRST, 0.50, 1.50, 0.60, 1.40, 0.70, 1.10)
    steady = _standing(SECOND, 0.95, 0.95, 0.95, 0.95, 0.95, 0.95)
    assert winner([holder, noisy, steady], HOLDER).config == SECOND


def test_a_holder_that_failed_the_gate_is_no_hurdle() -> None:
    slower, slowest = _standing(FIRST, 2.0, 2.1), _standing(SECOND, 3.0, 3.1)
    assert winner([slowest, slower], HOLDER).config == FIRST


def test_nobody_wins_an_empty_field() -> None:
    with pytest.raises(ValueError, match="standings is empty"):
        winner([], HOLDER)
