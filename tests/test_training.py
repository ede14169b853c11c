"""`AlphaSchedule`: where it begins and ends, and how it goes between."""

from typing import Any

import pytest

from splashgen.training import AlphaSchedule, Shape


@pytest.mark.parametrize("shape", Shape)
def test_begins_and_ends_where_told(shape: Shape) -> None:
    schedule = AlphaSchedule(1.01, 1.5, steps=10, shape=shape, warmup=5)
    assert [schedule(step) for step in (0, 5, 15, 99)] == [1.01, 1.01, 1.5, 1.5]
    between = [schedule(step) for step in range(5, 16)]
    assert between == sorted(set(between))
    assert [schedule.is_over(step) for step in (14, 15)] == [False, True]


def test_halfway() -> None:
    """The mean, the mean, and the geometric mean of α - 1."""
    halves = [AlphaSchedule(1.01, 1.49, steps=2, shape=shape)(1) for shape in Shape]
    assert halves == pytest.approx([1.25, 1.25, 1.07])
    assert AlphaSchedule(1.0 + 0.5, 1.1, steps=2)(1) == pytest.approx(1.3), "downwards too"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"start": 1.0}, "softmax"),
        ({"end": 3.0}, r"\[1\.0001, 2\]"),
        ({"steps": 0}, "steps must be an int of at least 1"),
        ({"warmup": -1}, "warmup must be an int of at least 0"),
        ({"shape": "sudden"}, "linear, cosine, exponential"),
    ],
)
def test_what_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        AlphaSchedule(**options)
