import math
from dataclasses import replace

import optuna
import pytest
from report_fakes import DEFAULT, H100, PROBLEM, add, bad, good, storage

from splashgen.gpu import KNOWN_GPUS
from splashgen.report.histories import closeness, read_histories
from splashgen.store import Regime
from splashgen.tune.measure.outcome import Status


def test_what_the_tuner_wrote_is_read_back_and_what_cost_nothing_is_counted_apart() -> None:
    made = storage(
        ({}, good(3.0)),
        ({"tile": 1024}, bad(Status.DOES_NOT_FIT)),
        ({"num_warps": 4}, good(2.0)),
        ({"num_warps": 2}, bad(Status.WRONG, error=1.5)),
        free=(1,),
    )
    (history,), foreign = read_histories(made)
    assert not foreign
    assert history.problem == PROBLEM and history.gpu == H100
    assert [(one.number, one.spent) for one in history.candidates] == [(1, 2.0), (2, 4.0), (3, 6.0)]
    assert history.unevaluated == 1 and history.seconds == 6.0
    assert [one.closeness for one in history.rejected] == [1.5]
    assert history.default.as_dict() == DEFAULT
    assert history.winner is not None and history.winner["num_warps"] == 4
    assert history.entry is None and history.reason == "" and history.whole is None


def test_the_newest_study_of_a_problem_is_shown_and_one_chip_can_be_asked_for() -> None:
    made = storage(({}, good(3.0)))
    add(made, ({}, good(2.0)), ({}, good(1.0)), name="the same | 2")
    add(made, ({}, good(5.0)), name="another length", problem=replace(PROBLEM, seq_len=2048))
    add(made, ({}, good(9.0)), name="another chip", gpu=KNOWN_GPUS["a100"])
    histories, _ = read_histories(made, "h100")
    assert [len(history.candidates) for history in histories] == [2, 1]
    assert len(read_histories(made)[0]) == 3


def test_regimes_of_a_problem_are_shown_side_by_side() -> None:
    made = storage(({}, good(3.0)))
    add(made, ({}, good(2.0)), name="sparse", regime=Regime.SPARSE)
    mixed, sparse = read_histories(made)[0]
    assert (mixed.regime, mixed.title) == (Regime.MIXED, str(PROBLEM)), "an older study does not name it"
    assert (sparse.regime, sparse.title) == (Regime.SPARSE, f"{PROBLEM}, sparse scores")


@pytest.mark.parametrize("about", [None, {}, {"problem": {"operation": "cooking"}}, "text"])
def test_studies_of_others_are_named_and_left_out(about: object) -> None:
    made = storage(({}, good(3.0)))
    study = optuna.create_study(storage=made, study_name="of somebody else")
    study.set_user_attr("about", about)
    histories, foreign = read_histories(made)
    assert len(histories) == 1 and foreign == ["of somebody else"]


def test_closeness_is_the_worst_share_of_a_budget() -> None:
    assert closeness({"out": 1.0, "out_budget": 4.0, "dq": 3.0, "dq_budget": 6.0}) == 0.5
    assert closeness({"out": math.nan, "out_budget": 4.0}) == math.inf
    assert closeness({"out": 0.0, "out_budget": 0.0}) == math.inf
    assert closeness({}) is None
