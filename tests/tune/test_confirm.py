import json
from dataclasses import replace

import pytest
from tune_fakes import PROBLEM

from splashgen.config import Config
from splashgen.gpu import CPU
from splashgen.tune.confirm import confirm, winner
from splashgen.tune.measure.evaluate import ShootOut, Trial
from splashgen.tune.measure.outcome import Outcome, Status
from splashgen.tune.measure.standing import Standing

HOLDER, FIRST, SECOND = (Config.of("aaa_faulty", {"delay_ms": number}) for number in (1, 2, 3))


def _standing(config: Config, *samples: float, ragged: tuple[float, ...] = ()) -> Standing:
    return Standing(config, Outcome(Status.OK, samples=samples, ragged=ragged))


def test_the_holder_stays_where_the_difference_is_noise() -> None:
    holder = _standing(HOLDER, 1.00, 1.10, 0.90, 1.05, 0.95, 1.02, 0.98, 1.00)
    lucky = _standing(FIRST, 0.95, 1.15, 0.88, 1.08, 0.90, 1.05, 0.99, 0.97)
    assert lucky.time.median < holder.time.median
    assert winner([holder, lucky], HOLDER).config == HOLDER


def test_the_holder_falls_beyond_the_noise() -> None:
    holder = _standing(HOLDER, 1.00, 1.10, 0.90, 1.05, 0.95)
    faster = _standing(FIRST, 0.90, 0.99, 0.81, 0.94, 0.86)
    assert winner([holder, faster], HOLDER).config == FIRST


def test_half_a_percent_is_no_reason_to_change() -> None:
    samples = (1.0, 1.1, 0.9, 1.05, 0.95, 1.0)
    holder, little, enough = (
        _standing(config, *(part * each for each in samples))
        for config, part in ((HOLDER, 1.0), (FIRST, 0.996), (SECOND, 0.994))
    )
    assert winner([holder, little], HOLDER).config == HOLDER, "certain, and not worth other kernels"
    assert winner([holder, little, enough], HOLDER).config == SECOND


def test_a_noisy_first_does_not_hide_a_steady_second() -> None:
    holder = _standing(HOLDER, 1.00, 1.00, 1.00, 1.00, 1.00, 1.00)
    noisy = _standing(FIRST, 0.50, 1.50, 0.60, 1.40, 0.70, 1.10)
    steady = _standing(SECOND, 0.95, 0.95, 0.95, 0.95, 0.95, 0.95)
    assert winner([holder, noisy, steady], HOLDER).config == SECOND


def test_a_holder_that_failed_the_gate_is_no_hurdle() -> None:
    slower, slowest = _standing(FIRST, 2.0, 2.1), _standing(SECOND, 3.0, 3.1)
    assert winner([slowest, slower], HOLDER).config == FIRST


def test_both_lengths_of_the_bucket_decide() -> None:
    holder = _standing(HOLDER, 1.0, 1.1, 0.9, 1.0, 1.05, ragged=(2.0, 2.1, 1.9, 2.0, 2.05))
    specialist = _standing(FIRST, 0.9, 0.99, 0.81, 0.9, 0.945, ragged=(2.3, 2.4, 2.2, 2.3, 2.35))
    allrounder = _standing(SECOND, 0.95, 1.045, 0.855, 0.95, 1.0, ragged=(2.0, 2.1, 1.9, 2.0, 2.05))
    assert specialist.time.median < allrounder.time.median
    assert winner([holder, specialist], HOLDER).config == HOLDER, "it loses more elsewhere than it gains"
    assert winner([holder, specialist, allrounder], HOLDER).config == SECOND
    gains = _standing(
        FIRST, *specialist.outcome.samples, ragged=tuple(0.95 * each for each in specialist.outcome.ragged)
    )
    assert winner([holder, gains], HOLDER).config == FIRST, "it gains more than it loses"
    assert gains.overall == pytest.approx((0.9 * 0.95 * 2.3) ** 0.5)
    assert gains.against(holder).median == pytest.approx((0.9 * 0.95 * 2.3 / 2.0) ** 0.5)


def test_a_standing_survives_json() -> None:
    standing = _standing(FIRST, 1.0, 2.0, ragged=(3.0, 4.0))
    assert Standing.from_dict(json.loads(json.dumps(standing.as_dict()))) == standing


def test_a_difference_that_the_holder_has_from_itself_is_noise() -> None:
    samples = (1.0, 1.1, 0.9, 1.05, 0.95, 1.0)
    holder, faster = _standing(HOLDER, *samples), _standing(FIRST, *(0.98 * each for each in samples))
    steady = replace(holder, again=tuple(0.99 * each for each in samples))
    shaky = replace(holder, again=tuple(0.975 * each for each in samples))
    assert winner([steady, faster], HOLDER).config == FIRST
    assert winner([shaky, faster], HOLDER).config == HOLDER
    # Whoever was timed twice, and in whichever direction its places differ.
    doubted = replace(faster, again=tuple(1.03 * each for each in faster.outcome.samples))
    assert winner([holder, doubted], HOLDER).config == HOLDER


class Bench:
    """Passes every finalist but those named, and notes at which lengths they met."""

    def __init__(self, *failing: Config) -> None:
        self.failing, self.met = failing, []

    def finalist(self, trial: Trial) -> Outcome:
        return Outcome(Status.WRONG if trial.config in self.failing else Status.OK)

    def shoot_out(self, task: ShootOut) -> tuple[tuple[float, ...], ...]:
        self.met.append((task.problem.seq_len, task.configs, round(task.seconds, 3)))
        return ((float(task.problem.seq_len),) * 5,) * len(task.configs)


def test_finalists_and_holders_meet_at_two_lengths() -> None:
    bench = Bench(FIRST)
    timed, rejected = confirm(bench, PROBLEM, CPU, [HOLDER, HOLDER], [FIRST, SECOND], 0, 10.0)
    assert bench.met == [(64, (HOLDER, SECOND, HOLDER), 7.0), (49, (HOLDER, SECOND, HOLDER), 3.0)]
    assert [standing.config for standing in rejected] == [FIRST]
    assert [standing.config for standing in timed] == [HOLDER, SECOND]
    assert timed[1].outcome.samples == (64.0,) * 5 and timed[1].outcome.ragged == (49.0,) * 5
    assert timed[0].again == (64.0,) * 5 and timed[0].ragged_again == (49.0,) * 5
    assert timed[1].again == ()


def test_a_holder_alone_and_the_shortest_buckets_meet_once() -> None:
    alone, short = Bench(), Bench()
    confirm(alone, PROBLEM, CPU, [HOLDER], [HOLDER], 0, 10.0)
    confirm(short, replace(PROBLEM, seq_len=32), CPU, [HOLDER], [FIRST], 0, 10.0)
    assert [length for length, _, _ in alone.met + short.met] == [64, 32]
    assert short.met[0][2] == 10.0


def test_nobody_wins_an_empty_field() -> None:
    with pytest.raises(ValueError, match="standings is empty"):
        winner([], HOLDER)
