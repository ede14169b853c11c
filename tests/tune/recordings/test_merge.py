from dataclasses import replace

from recorded import DEFAULT, FAMILY, FASTEST, PROBLEM

from splashgen.gpu import CPU
from splashgen.store import current
from splashgen.tune.measure.outcome import Outcome, Status
from splashgen.tune.recordings.merge import merged
from splashgen.tune.recordings.recording import Head, Recording, Resources, Row

HEAD = Head(PROBLEM, CPU, FAMILY.name, FAMILY.space.choices, DEFAULT, 20, 0.1, current())
WRONG = Outcome(Status.WRONG, "It is wrong.")


def _row(code_hash: str, *samples: float, config=DEFAULT, kernels=()) -> Row:
    return Row(config, code_hash, Outcome(Status.OK, samples=samples) if samples else WRONG, kernels)


def test_recordings_of_one_problem_become_one_and_others_stay_apart() -> None:
    kernels = (Resources("_forward", 32, 0, 128, 4),)
    one = Recording(HEAD, (_row("a", 1.0, 3.0), _row("b", 5.0, config=FASTEST)))
    other = Recording(replace(HEAD, points=24), (_row("a", 2.0, kernels=kernels), _row("c", 7.0)))
    longer = Recording(replace(HEAD, problem=replace(PROBLEM, seq_len=128)), (_row("a", 9.0),))
    elsewhere = Recording(replace(HEAD, gpu=replace(CPU, name="another")), (_row("a", 9.0),))
    first, *others = merged([one, longer, other, elsewhere])
    assert [row.code_hash for row in first.rows] == ["a", "b", "c"]
    assert first.rows[0].outcome.samples == (1.0, 3.0, 2.0) and first.rows[0].kernels == kernels
    assert first.head.points == 24
    assert others == [longer, elsewhere]


def test_what_was_ever_wrong_stays_wrong() -> None:
    right, wrong = Recording(HEAD, (_row("a", 1.0),)), Recording(HEAD, (_row("a"),))
    for pair in ((right, wrong), (wrong, right)):
        assert merged(pair)[0].rows[0].outcome == WRONG
