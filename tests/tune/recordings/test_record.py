"""Recordings: every point once, whatever interrupts; files that say what they must."""

import itertools
import json
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from tune_fakes import PROBLEM

from splashgen.families import family_for
from splashgen.gpu import CPU
from splashgen.space import Space
from splashgen.tune.measure.evaluate import Anchor, Trial
from splashgen.tune.measure.outcome import Outcome, Status
from splashgen.tune.recordings import record as record_module
from splashgen.tune.recordings.files import RecordingError, append, mend, read
from splashgen.tune.recordings.record import record
from splashgen.tune.recordings.recording import Recording, Resources, Row, varied

FAMILY = family_for(PROBLEM, CPU)
DEFAULT = FAMILY.default(PROBLEM, CPU)
SPACE = varied(FAMILY.space, DEFAULT, {"chunk": [], "max_iterations": []})


class Bench:
    """Answers at once, in this process: the larger the chunk, the slower, and one does not fit."""

    trials: list[Trial]

    def __init__(self, tools: object, candidate_seconds: float) -> None:
        pass

    def __enter__(self) -> "Bench":
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def trial(self, trial: Trial) -> Outcome:
        Bench.trials.append(trial)
        chunk = trial.config.number("chunk")
        if chunk > 1e6:
            return Outcome(Status.DOES_NOT_FIT, "It is too large.")
        samples = tuple(chunk + step / 1000 for step in range(100))
        return Outcome(
            Status.OK, "", {"out": 1e-7}, samples, (chunk,), {"clock_mhz_before": 1980, "throttled": ""}
        )


@pytest.fixture(autouse=True)
def bench(monkeypatch: pytest.MonkeyPatch) -> type[Bench]:
    monkeypatch.setattr(record_module, "Bench", Bench)
    Bench.trials = []
    return Bench


def _record(path: Path, space: Space = SPACE, **options: float) -> Recording:
    return record(PROBLEM, CPU, space, DEFAULT, path, **options)


def test_every_point_is_measured_once_the_default_first(tmp_path: Path) -> None:
    recording = _record(tmp_path / "space.jsonl")
    assert recording.complete and len(recording.rows) == 8
    assert len({row.config for row in recording.rows}) == len(Bench.trials) == 8
    assert recording.rows[0].config == DEFAULT
    assert sum(row.outcome.status is Status.DOES_NOT_FIT for row in recording.rows) == 2
    # All sit one exam, and are compared with the best so far.
    assert len({trial.seed for trial in Bench.trials}) == 1
    assert Bench.trials[0].best == () and Bench.trials[-1].best == (16384.0,)
    # The default is the first, and the measure of all others.
    chunk = float(DEFAULT.number("chunk"))
    assert [trial.anchor for trial in Bench.trials] == [None] + [Anchor(DEFAULT, (chunk,))] * 7


def test_what_is_read_is_what_was_measured(tmp_path: Path) -> None:
    recording = _record(tmp_path / "space.jsonl")
    again = read(tmp_path / "space.jsonl")
    assert again.head == recording.head
    assert [row.config for row in again.rows] == [row.config for row in recording.rows]
    assert again.rows[0].outcome.median == pytest.approx(recording.rows[0].outcome.median, rel=1e-4)
    assert 20 <= len(again.rows[0].outcome.samples) <= 32, "thinned"
    assert again.rows[0].outcome.conditions == {"clock_mhz_before": 1980, "throttled": ""}
    kernels = (Resources("_forward", 32, 0, 128, 4),)
    append(tmp_path / "space.jsonl", again.head, Row(DEFAULT, "0" * 16, Outcome(Status.OK), kernels))
    assert read(tmp_path / "space.jsonl").rows[-1].kernels == kernels
    assert list(recording.space.feasible(PROBLEM, CPU)), "its own points are its space"
    assert {*recording.space.feasible(PROBLEM, CPU)} == {row.config for row in recording.rows}


def test_the_points_of_a_recording_are_its_rows_in_the_order_of_its_choices(tmp_path: Path) -> None:
    recording = _record(tmp_path / "space.jsonl")
    beyond = replace(recording.rows[0], config=DEFAULT.replace(chunk=5))
    some = replace(recording, rows=(recording.rows[6], beyond, *recording.rows[:3]))
    kept = {row.config for row in some.rows} - {beyond.config}
    points = [config for config in SPACE.feasible(PROBLEM, CPU) if config in kept]
    assert some.space.size == 4
    assert list(some.space.feasible(PROBLEM, CPU)) == points
    assert {*itertools.islice(some.space.draws(PROBLEM, CPU, Random(0)), 100)} == kept
    assert some.space.digest == recording.space.digest, "a study goes on when its recording has grown"


def test_a_recording_that_was_cut_off_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "space.jsonl"
    _record(path)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:4]) + lines[4][:30])  # killed while it wrote the fourth row
    assert len(read(path).rows) == 3
    Bench.trials = []
    assert _record(path).complete
    assert len(Bench.trials) == 5
    assert read(path).complete


def test_the_time_is_a_limit(tmp_path: Path) -> None:
    recording = _record(tmp_path / "space.jsonl", seconds=1e-9)
    assert not recording.complete and recording.rows == ()


def test_a_file_with_another_recording_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "space.jsonl"
    _record(path)
    with pytest.raises(RecordingError, match="recording of something else"):
        _record(path, varied(FAMILY.space, DEFAULT, {"chunk": []}))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda row: row | {"status": "fine"}, "line 2: status"),
        (lambda row: row | {"samples": [0.0]}, r"line 2: samples\.0"),
        (lambda row: row | {"extra": 1}, "line 2: extra"),
        (lambda row: {}, "line 2: config"),
    ],
)
def test_a_line_that_says_something_else_is_named(tmp_path: Path, change, said: str) -> None:
    path = tmp_path / "space.jsonl"
    _record(path)
    lines = path.read_text().splitlines()
    lines[1] = json.dumps(change(json.loads(lines[1])))
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(RecordingError, match=said):
        read(path)


def test_no_file_and_no_head_are_sentences(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"nothing\.jsonl cannot be read"):
        read(tmp_path / "nothing.jsonl")
    (tmp_path / "empty.jsonl").write_text('{"recording": 1')
    with pytest.raises(RecordingError, match="no whole line"):
        read(tmp_path / "empty.jsonl")


def test_mending_leaves_a_whole_file_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "space.jsonl"
    path.write_text("one\ntwo\n")
    mend(path)
    assert path.read_text() == "one\ntwo\n"


def test_only_what_is_wished_varies() -> None:
    space = varied(FAMILY.space, DEFAULT, {"chunk": ["262144", "16384"], "solver": []})
    assert space.choices["chunk"] == (16384, 262144)
    assert space.choices["solver"] == FAMILY.space.choices["solver"]
    assert space.choices["max_iterations"] == (DEFAULT["max_iterations"],)


@pytest.mark.parametrize(
    ("wishes", "said"),
    [
        ({"blocks": []}, "no parameter 'blocks'"),
        ({"chunk": ["262144", "5"]}, "chunk cannot be '5'"),
        ({"chunk": ["16384"]}, "default's 262144"),
    ],
)
def test_wishes_that_cannot_be_met_are_sentences(wishes: dict[str, list[str]], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        varied(FAMILY.space, DEFAULT, wishes)
