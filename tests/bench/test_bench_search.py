"""The study of the search, on a recording that was made up."""

from dataclasses import replace
from pathlib import Path

import pytest
from recorded import write

from splashgen.bench.search import flatness, markdown, reached_by_random_search, reached_by_search, study
from splashgen.tune.recording import Recording
from splashgen.tune.recording_file import read
from splashgen.tune.storage import open_storage


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    return read(write(tmp_path / "space.jsonl"))


def test_flatness_counts_what_is_near_the_best(recording: Recording) -> None:
    space = flatness(recording)
    assert (space.points, space.correct) == (20, 16)
    assert space.within == (1 / 16, 1 / 16)
    assert space.default == pytest.approx(0.25 * 0.5**0.3, rel=0.02)


def test_an_incomplete_recording_has_no_best(recording: Recording) -> None:
    with pytest.raises(ValueError, match="19 of 20 points"):
        flatness(replace(recording, rows=recording.rows[:-1]))


def test_all_points_reach_the_best_and_few_random_ones_do_not(recording: Recording, tmp_path: Path) -> None:
    storage = open_storage(tmp_path / "studies")
    assert reached_by_search(recording, storage, seed=0, trials=20) == 1.0
    assert reached_by_random_search(recording, seed=0, trials=20) == 1.0
    assert reached_by_random_search(recording, seed=0, trials=1) < 1.0
    assert reached_by_search(recording, storage, seed=0, trials=6) > 0.6


def test_a_study_has_a_row_and_a_line_for_each_recording(recording: Recording) -> None:
    (row,) = study([recording], seeds=2)
    assert row["trials"] == 2 and len(row["search"]) == len(row["random"]) == 2
    table = markdown([row]).splitlines()
    assert len(table) == 3
    assert "entmax alpha=2 float32" in table[2] and "| 20 |" in table[2]
    assert len({line.count("|") for line in table}) == 1
