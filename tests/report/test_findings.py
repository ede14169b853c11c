from dataclasses import replace

import pytest
from report_fakes import bad, good, storage

from splashgen.report.findings import (
    FEWEST,
    Conditions,
    conditions,
    convergence,
    frontier,
    importance,
    losses,
)
from splashgen.report.histories import History, read_histories
from splashgen.tune.measure.outcome import Status


def _history(*trials: object, **options: object) -> History:
    (history,), _ = read_histories(storage(*trials, **options))  # type: ignore[arg-type]
    return history


def test_the_best_so_far_starts_with_the_first_correct_candidate_and_never_rises() -> None:
    history = _history(
        ({}, bad(Status.CRASHED)),
        ({"tile": 1024}, good(3.0)),
        ({"tile": 2048}, good(4.0)),
        ({"num_warps": 4}, good(1.0)),
    )
    assert convergence(history) == [(2, 4.0, 3.0), (3, 6.0, 3.0), (4, 8.0, 1.0)]


def test_the_front_keeps_whoever_no_other_beats_in_both() -> None:
    history = _history(
        ({"tile": 1024}, good(1.0, 0.9)),
        ({"tile": 2048}, good(2.0, 0.95)),
        ({"num_warps": 4}, good(3.0, 0.1)),
        ({"num_warps": 2}, good(3.0, 0.2)),
        ({"num_warps": 1}, bad(Status.WRONG, error=0.01)),
    )
    assert [(one.outcome.median, one.closeness) for one in frontier(history.candidates)] == [
        (1.0, 0.9),
        (3.0, 0.1),
    ]


def test_losses_are_grouped_with_the_worst_error() -> None:
    history = _history(
        ({"tile": 1024}, bad(Status.HUNG)),
        ({"tile": 2048}, bad(Status.WRONG, error=1.5)),
        ({"num_warps": 4}, bad(Status.WRONG, error=20.0)),
    )
    assert [(loss.status, len(loss.candidates), loss.worst) for loss in losses(history)] == [
        (Status.WRONG, 2, 20.0),
        (Status.HUNG, 1, None),
    ]


def test_the_parameter_that_decides_the_time_matters_most() -> None:
    trials = [
        ({"num_warps": warps, "tile": tile, "block_rows": rows}, good(float(warps) + 0.01 * rows))
        for warps in (1, 2, 4, 8)
        for tile in (1024, 2048, 4096)
        for rows in (1, 2)
    ]
    found = importance(_history(*trials))
    assert found is not None and set(found) == {"num_warps", "tile", "block_rows"}
    assert next(iter(found)) == "num_warps" and found["num_warps"] > 0.5
    assert sum(found.values()) == pytest.approx(1.0)


def test_the_sensors_readings_are_summed_up() -> None:
    readings = [
        {"clock_mhz_before": 1980.0, "clock_mhz_after": 1755.0, "throttled": "power_cap"},
        {"clock_mhz_before": 1965.0, "clock_mhz_after": 1980.0, "throttled": ""},
    ]
    for place, reading in enumerate(readings):
        reading |= {"temperature_c_before": 40.0 + place, "temperature_c_after": 60.0}
    history = _history(
        *[
            ({"tile": 1024 * 2**place}, replace(good(1.0), conditions=one))
            for place, one in enumerate(readings)
        ],
        ({}, bad(Status.HUNG)),
    )
    assert conditions(history) == Conditions((1755.0, 1980.0), (40.0, 60.0), 1, ("power_cap",))
    assert conditions(_history(({}, good(1.0)))) is None


def test_of_few_candidates_nothing_is_said() -> None:
    few = [({"num_warps": 4 if place % 2 else 8}, good(1.0 + place)) for place in range(FEWEST - 1)]
    assert importance(_history(*few)) is None
    same = [({}, good(1.0 + place)) for place in range(FEWEST)]
    assert importance(_history(*same)) is None, "nothing varied"
