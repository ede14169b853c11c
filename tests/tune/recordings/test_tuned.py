"""Recordings of studies: what a tune measured, read and replayed like any other recording."""

from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import pytest
from recorded import DEFAULT, FASTEST, PROBLEM
from recorded import write as write_recording
from typer.testing import CliRunner

from splashgen.cli import app
from splashgen.compile import CompiledKernel
from splashgen.families import family_for
from splashgen.gpu import CPU, KNOWN_GPUS
from splashgen.problem import DType
from splashgen.render import render
from splashgen.store import Provenance, Regime, current
from splashgen.tune.database.storage import Storage, open_storage
from splashgen.tune.limits import Limits
from splashgen.tune.measure.outcome import Outcome, Status
from splashgen.tune.presets import attention
from splashgen.tune.recordings.files import read, write
from splashgen.tune.recordings.kernels import with_kernels
from splashgen.tune.recordings.recording import Head, Recording, Row
from splashgen.tune.recordings.replay import replay
from splashgen.tune.recordings.tuned import recordings_of
from splashgen.tune.study.journal import Journal
from splashgen.tune.study.studies import ABOUT


@pytest.fixture
def studied(tmp_path: Path) -> Storage:
    """The study of a search over 12 of 20 recorded points, the fastest of which came last."""
    recorded = read(write_recording(tmp_path / "space.jsonl"))
    rows = {row.config: row for row in recorded.rows}
    storage = open_storage(tmp_path / "studies")
    journal = Journal(
        storage, PROBLEM, CPU, family_for(PROBLEM, CPU).space, limits=Limits(timing_seconds=0.25)
    )
    others = [config for config in rows if config not in (DEFAULT, FASTEST)]
    for config in (DEFAULT, *others[:10], FASTEST):
        ticket = journal.take(config)
        journal.claim(ticket, rows[config].code_hash)
        journal.tell(ticket, rows[config].outcome, rows[config].code_hash, 1.0)
    return storage


def test_a_recording_of_a_study_holds_what_the_search_measured(studied: Storage, tmp_path: Path) -> None:
    (tuned,), left_out = recordings_of(studied.optuna)
    assert not left_out
    head, rows = tuned.recording.head, tuned.recording.rows
    assert len(rows) == 12 and rows[0].config == head.default == DEFAULT
    assert (head.problem, head.timing_seconds, head.made) == (PROBLEM, 0.25, current())
    assert head.choices == family_for(PROBLEM, CPU).space.choices
    assert not tuned.recording.complete
    assert all(row.code_hash == render(PROBLEM, row.config).hash for row in rows)
    assert {Status.OK, Status.WRONG} == {row.outcome.status for row in rows}
    measured = {row.config: row for row in read(tmp_path / "space.jsonl").rows}
    assert [row.outcome for row in rows] == [measured[row.config].outcome for row in rows]


@pytest.mark.usefixtures("forked_workers")
def test_it_is_written_read_and_replayed_like_any_other(studied: Storage, tmp_path: Path) -> None:
    (tuned,), _ = recordings_of(studied.optuna)
    path = tmp_path / "new" / "tuned.jsonl"
    write(path, tuned.recording)
    write(path, tuned.recording)
    assert [row.config for row in read(path).rows] == [row.config for row in tuned.recording.rows]
    assert [each.name for each in path.parent.iterdir()] == ["tuned.jsonl"]
    report, _ = replay(path, Limits(trials=12), folder=tmp_path / "winners")
    assert report.ended[0].entry.config == FASTEST


def test_a_write_that_fails_leaves_the_recording_that_was_there(studied, tmp_path, monkeypatch) -> None:
    (tuned,), _ = recordings_of(studied.optuna)
    path = tmp_path / "new" / "tuned.jsonl"
    write(path, tuned.recording)
    before = path.read_bytes()
    monkeypatch.setattr("splashgen.tune.recordings.files._short", lambda value: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write(path, tuned.recording)
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == ["tuned.jsonl"]


def test_a_study_that_runs_grows_and_keeps_the_name_of_its_file(tmp_path: Path) -> None:
    storage, space = open_storage(tmp_path), family_for(PROBLEM, CPU).space
    journal = Journal(storage, PROBLEM, CPU, space)
    assert recordings_of(storage.optuna)[0] == []
    assert "has no candidate yet" in recordings_of(storage.optuna)[1][0]
    names = []
    for place, config in enumerate((DEFAULT, FASTEST, DEFAULT.replace(solver="sort")), 1):
        ticket, code_hash = journal.take(config), render(PROBLEM, config).hash
        journal.claim(ticket, code_hash)
        # The last one cost nothing: its code was known.
        journal.tell(ticket, Outcome(Status.OK, samples=(1.0,)), code_hash, 1.0, free=place == 3)
        ((tuned,), _) = recordings_of(storage.optuna)
        assert len(tuned.recording.rows) == min(place, 2)
        names.append(tuned.name)
    assert len(set(names)) == 1 and names[0].startswith("cpu-entmax-alpha-2-float32")
    other = Journal(open_storage(tmp_path / "other"), PROBLEM, CPU, space)
    other.tell(other.take(DEFAULT), Outcome(Status.OK, samples=(1.0,)), "0" * 16)
    ((tuned,), _) = recordings_of(open_storage(tmp_path / "other").optuna)
    assert tuned.name not in names, "a study of the same name, in another storage"


def test_the_default_is_the_family_s_wherever_the_search_began(tmp_path: Path) -> None:
    """A search begins with the stored winner, if there is one."""
    other = next(
        config for config in family_for(PROBLEM, CPU).space.feasible(PROBLEM, CPU) if config != DEFAULT
    )
    journal = Journal(open_storage(tmp_path), PROBLEM, CPU, family_for(PROBLEM, CPU).space)
    heads = []
    for place, config in enumerate((other, DEFAULT)):
        journal.tell(journal.take(config), Outcome(Status.OK, samples=(1.0,)), f"{place}" * 16)
        ((tuned,), _) = recordings_of(open_storage(tmp_path).optuna)
        heads.append(tuned.recording.head.default)
    assert heads == [other, DEFAULT]


def test_other_regimes_chips_and_versions_are_left_out_or_understood(tmp_path: Path) -> None:
    storage, problem = open_storage(tmp_path), attention(DType.FLOAT32, 32, 64)
    space = family_for(problem, CPU).space.narrowed(problem, CPU)
    default = family_for(problem, CPU).default(problem, CPU)
    for regime in (Regime.MIXED, Regime.SPARSE):
        journal = Journal(storage, problem, CPU, space, regime=regime)
        journal.tell(journal.take(default), Outcome(Status.OK, samples=(1.0,)), "0" * 16)
    (tuned,), left_out = recordings_of(storage.optuna)
    assert tuned.recording.head.problem == problem
    assert len(left_out) == 1 and "sparse scores" in left_out[0]
    assert recordings_of(storage.optuna, "h100") == ([], [])
    for study in storage.optuna.get_all_studies():
        about = dict(study.user_attrs[ABOUT])
        del about["made"]  # as earlier versions wrote it
        storage.optuna.set_study_user_attr(study._study_id, ABOUT, about)
    made = recordings_of(storage.optuna)[0][0].recording.head.made
    assert isinstance(made, Provenance) and made.torch and current().torch.startswith(made.torch)
    storage.optuna.set_study_user_attr(study._study_id, ABOUT, {"problem": "cooking"})
    assert any("no study of this version" in reason for reason in recordings_of(storage.optuna)[1])


def test_kernels_are_compiled_for_correct_candidates_of_todays_code() -> None:
    gpu, problem = KNOWN_GPUS["h100"], attention(DType.BFLOAT16, 64, 256)
    default = family_for(problem, gpu).default(problem, gpu)
    head = Head(problem, gpu, default.family, {}, default, 3, 0.1, current())
    other = default.replace(dq_stages=1)
    rows = (
        Row(default, render(problem, default).hash, Outcome(Status.OK, samples=(1.0,))),
        Row(default.replace(output_stages=1), "0" * 16, Outcome(Status.OK, samples=(1.0,))),
        Row(other, render(problem, other).hash, Outcome(Status.WRONG, "It is wrong.")),
    )

    class Pool:
        def submit(self, job):
            future = Future()
            future.set_result((CompiledKernel("_output", 8192, 168, 0, 4, 0, 500),))
            return future

    filled = with_kernels(Recording(head, rows), Pool())
    assert [bool(row.kernels) for row in filled.rows] == [True, False, False]
    assert filled.rows[0].kernels[0].instructions == 500
    on_cpu = Recording(replace(head, gpu=CPU), rows)
    assert with_kernels(on_cpu, Pool()) is on_cpu


def test_the_command_writes_a_file_a_study(studied: Storage, tmp_path: Path) -> None:
    nothing = CliRunner().invoke(app, ["recordings", str(tmp_path / "out")])
    assert nothing.exit_code == 2 and "no study" in nothing.stderr
    arguments = ["recordings", str(tmp_path / "out"), "--state", str(tmp_path / "studies"), "--kernels"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    (path,) = (tmp_path / "out").iterdir()
    assert f"{path}: 12 candidates" in done.stdout and len(read(path).rows) == 12
