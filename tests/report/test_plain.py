import json
import math

from report_fakes import bad, good, storage

from splashgen.report import as_json, collect
from splashgen.tune.measure.outcome import Status


def test_json_has_every_candidate_and_no_number_that_json_lacks() -> None:
    made = storage(
        ({}, good(2.0)),
        ({"tile": 1024}, bad(Status.WRONG, "out is NaN.", math.nan)),
        ({"tile": 2048}, good(1.0, 0.25)),
    )
    plain = as_json(collect(made))
    (problem,) = json.loads(json.dumps(plain, allow_nan=False))["problems"]
    assert [one["median_ms"] for one in problem["candidates"]] == [2.0, None, 1.0]
    assert problem["candidates"][1]["errors"] == {"out": None, "out_budget": 1.0}
    assert problem["candidates"][1]["reason"] == "out is NaN."
    assert problem["rejected"] == {"wrong": [2]}
    assert problem["convergence"][-1] == {"candidate": 3, "seconds": 6.0, "best_ms": 1.0}
    assert problem["pareto_front"] == [3]
    assert problem["entry"] is None and problem["reason"] is None
