"""What a search knows of itself from its records."""

import pytest

from splashgen.config import Config
from splashgen.tune.limits import Limits
from splashgen.tune.measure.outcome import Outcome, Status
from splashgen.tune.search.progress import Progress
from splashgen.tune.study.records import Record


def _records(*milliseconds: float | None) -> list[Record]:
    """One a time, which took 2 s; None is a candidate that was wrong."""
    return [
        Record(
            Config.of("any", {"number": number}),
            str(number),
            Outcome(Status.WRONG, "It is wrong.") if one is None else Outcome(Status.OK, samples=(one,) * 5),
            2.0,
            free=False,
        )
        for number, one in enumerate(milliseconds)
    ]


def test_the_fastest_correct_one_is_the_best() -> None:
    progress = Progress(_records(3.0, None, 1.0, 2.0))
    assert [record.config["number"] for record in progress.ranked] == [2, 3, 0]
    assert progress.best is not None and progress.best.config["number"] == 2
    assert progress.counts == {"ok": 3, "wrong": 1} and progress.done == 4
    assert Progress(_records(None)).best is None


@pytest.mark.parametrize(
    ("times", "exhaustive", "reason"),
    [
        ((3.0, 1.0, None, 2.0), False, None),
        ((3.0, 1.0, None, 2.0, 0.995), False, "3 trials brought no improvement"),
        ((3.0, 1.0, None, 2.0, 0.98), False, None),
        ((3.0, 1.0, None, 2.0, 4.0), True, None),
        ((3.0,) * 6, True, "12 s were spent"),
    ],
)
def test_a_search_ends_when_time_is_up_or_nothing_improves(
    times: tuple[float | None, ...], exhaustive: bool, reason: str | None
) -> None:
    assert Progress(_records(*times)).met(Limits(seconds=12.0, stall=3), exhaustive) == reason


def test_the_sooner_of_two_limits_is_the_estimate() -> None:
    progress = Progress(_records(1.0, 1.0))
    assert progress.seconds_left(None, None) is None
    assert progress.seconds_left(100.0, None) == 96.0
    assert progress.seconds_left(100.0, 10) == 16.0
    assert Progress([]).seconds_left(None, 10) is None
