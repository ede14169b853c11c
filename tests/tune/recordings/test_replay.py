"""The whole loop on a recording: search, study, worker, shoot-out, store, and the command."""

from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from recorded import DEFAULT, FASTEST, PROBLEM, write, write_searched
from typer.testing import CliRunner

from splashgen.cli import app
from splashgen.gpu import CPU
from splashgen.store import load
from splashgen.tune.limits import Limits
from splashgen.tune.measure.outcome import Outcome, Status
from splashgen.tune.recordings.files import RecordingError, read
from splashgen.tune.recordings.recording import Row
from splashgen.tune.recordings.replay import drawn, replay, simulated, terrain_of_recording

pytestmark = pytest.mark.usefixtures("forked_workers")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A complete recording of 20 points, 4 of them wrong."""
    return write(tmp_path / "space.jsonl")


def test_outcomes_are_drawn_with_the_recorded_noise() -> None:
    row = Row(DEFAULT, "0" * 16, Outcome(Status.OK, samples=(1.0, 1.1, 1.2)))
    one, other = drawn(row, Random(1)), drawn(row, Random(2), rounds=30)
    assert set(one.samples) <= {1.0, 1.1, 1.2} and len(one.samples) == 3
    assert len(other.samples) == 30
    wrong = Row(DEFAULT, "0" * 16, Outcome(Status.WRONG, "It is wrong."))
    assert drawn(wrong, Random(1)) == wrong.outcome


def test_the_recorded_points_are_the_terrain(path: Path) -> None:
    recording = read(path)
    terrain = terrain_of_recording(recording)
    points = list(terrain.space.feasible(PROBLEM, CPU))
    assert set(points) == {row.config for row in recording.rows}
    assert terrain.default == DEFAULT
    assert len({terrain.code_hash(point) for point in points}) == len(points)


def test_the_command_tunes_a_recording_from_search_to_store(path: Path, folders: Path) -> None:
    arguments = ["tune", "--replay", str(path), "--trials", "12", "--quiet"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    stored = folders / "state" / "replays" / "cpu.yaml"
    assert str(stored) in done.stdout.replace("\n", "")
    file = load(stored)
    assert file.gpu.name == f"{CPU.name} (recorded)"
    assert file.entries[0].config == FASTEST
    assert file.entries[0].trials == 12
    assert not (folders / "config").exists(), "no look-up finds what was replayed"
    again = CliRunner().invoke(app, arguments)
    assert again.exit_code == 0, "the study is finished: its winner is told again"


def test_a_replay_of_a_search_tries_what_was_recorded_and_ends(tmp_path: Path) -> None:
    path = write_searched(tmp_path / "searched.jsonl")
    recording = read(path)
    assert recording.head.points > 1e9
    assert recording.space.size == len(recording.rows) < 50, "no walk through all combinations"
    report, _ = replay(path, Limits(shoot_out_seconds=1.0), folder=tmp_path / "winners")
    (ended,) = report.ended
    assert ended.reason == "every candidate was tried"
    assert ended.entry.config == recording.rows[-1].config, "the fastest"
    assert ended.entry.trials == len(recording.rows)


@pytest.mark.parametrize("option", ["--worker", "--inference", "--seq-len=64"])
def test_the_command_takes_the_problem_from_the_file_alone(path: Path, option: str) -> None:
    done = CliRunner().invoke(app, ["tune", "--replay", str(path), option])
    assert done.exit_code == 2
    assert "--replay" in done.stderr or "--worker" in done.stderr


def test_a_file_that_is_no_recording_is_a_sentence(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["tune", "--replay", str(tmp_path / "nothing.jsonl")])
    assert done.exit_code == 1
    assert "cannot be read as a recording" in done.stderr


def test_a_recording_of_other_kernels_is_refused(path: Path) -> None:
    text = path.read_text()
    path.write_text(text.replace("16384", "12345"))
    with pytest.raises(RecordingError, match=r"another version of its kernels.*Record it anew"):
        replay(path, Limits(trials=2))


def test_a_simulated_device_has_a_name_of_its_own(path: Path) -> None:
    assert simulated(read(path)) == replace(CPU, name=f"{CPU.name} (recorded)")
