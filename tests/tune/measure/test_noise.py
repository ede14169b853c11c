import pytest

from splashgen.tune.measure.noise import (
    Interval,
    deviation,
    geometric_mean,
    ratio,
    slower_beyond_doubt,
)


def test_interval_holds_the_median_and_repeats() -> None:
    samples = [1.0, 1.1, 0.9, 1.05, 0.95, 5.0]
    interval = Interval.of(samples)
    assert interval.low <= interval.median <= interval.high
    assert interval.median == pytest.approx(1.025)
    assert Interval.of(samples) == interval


def test_interval_needs_samples() -> None:
    with pytest.raises(ValueError, match="samples is empty"):
        Interval.of([])


def test_a_drift_common_to_both_cancels() -> None:
    drift = [1.0 + 0.1 * step for step in range(20)]
    holder = [2.00 * value for value in drift]
    challenger = [1.96 * value for value in drift]
    assert ratio((challenger, holder)).high < 1.0 < ratio((holder, challenger)).low
    assert ratio((challenger, holder)).median == pytest.approx(0.98)


def test_luck_is_not_a_win() -> None:
    holder = [1.0, 1.2, 0.9, 1.1, 1.0, 0.8, 1.1, 1.0]
    challenger = [1.1, 0.9, 1.0, 0.9, 1.2, 0.9, 1.0, 0.95]
    assert ratio((challenger, holder)).high >= 1.0


def test_pairs_must_match() -> None:
    with pytest.raises(ValueError):
        ratio(([1.0], [1.0, 2.0]))


def test_several_sets_count_as_their_geometric_mean() -> None:
    both = Interval.of([1.0, 1.1, 0.9], [4.0])
    assert both.median == pytest.approx(2.0)
    assert (both.low, both.high) == (pytest.approx(1.8973666), pytest.approx(2.0976177))
    mean = ratio(([0.9, 0.99, 0.81], [1.0, 1.1, 0.9]), ([1.2], [1.0]))
    assert mean.median == pytest.approx((0.9 * 1.2) ** 0.5)
    with pytest.raises(ValueError, match="samples is empty"):
        Interval.of([1.0], [])


def test_deviation_is_the_farther_end() -> None:
    assert deviation(([2.0, 2.2], [2.0, 2.2])) == 1.0
    assert (
        deviation(([1.0, 1.0], [1.02, 1.02])) == deviation(([1.02, 1.02], [1.0, 1.0])) == pytest.approx(1.02)
    )
    assert deviation(([1.02], [1.0]), ([1.0], [1.02])) == pytest.approx(1.0)


def test_geometric_mean() -> None:
    assert geometric_mean([1.0, 4.0]) == pytest.approx(2.0)


def test_slower_beyond_doubt_needs_pairs_that_agree() -> None:
    slower = [(1.1 + 0.001 * step, 1.0) for step in range(8)]
    assert slower_beyond_doubt(slower)
    assert not slower_beyond_doubt(slower[:7]), "too few to tell"
    assert not slower_beyond_doubt(slower, factor=1.2)
    assert not slower_beyond_doubt([(other, mine) for mine, other in slower])
    assert not slower_beyond_doubt([(1.0 + 0.01 * (-1) ** step, 1.0) for step in range(40)])


def test_slower_beyond_doubt_is_wilcoxons_test() -> None:
    # Ranks 1 and 2 against the other six: W+ = 33 of 36, z = (33 - 18) / sqrt(51) = 2.10: not quite 1 %.
    pairs = [(gap, 1.0) for gap in (0.99, 0.98, 1.03, 1.04, 1.05, 1.06, 1.07, 1.08)]
    assert not slower_beyond_doubt(pairs)
    # One more that agrees: W+ = 42 of 45, z = (42 - 22.5) / sqrt(71.25) = 2.31; and another: 2.50.
    assert not slower_beyond_doubt([*pairs, (1.09, 1.0)])
    assert slower_beyond_doubt([*pairs, (1.09, 1.0), (1.1, 1.0)])
