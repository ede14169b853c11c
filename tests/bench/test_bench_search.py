"""The study of the search, on a recording that was made up and on those that were measured."""

import statistics
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from recorded import write

from splashgen.bench.reached import reached_by_random_search, reached_by_search
from splashgen.bench.search import flatness, markdown, study, trials_of
from splashgen.tune.recordings.files import read
from splashgen.tune.recordings.recording import Recording

RECORDINGS = sorted((Path(__file__).parents[2] / "benchmarks" / "recordings").glob("*.jsonl"))


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    return read(write(tmp_path / "space.jsonl"))


def test_flatness_counts_what_is_near_the_best(recording: Recording) -> None:
    space = flatness(recording)
    assert (space.points, space.of, space.correct) == (20, 20, 16)
    assert space.within == (1 / 16, 1 / 16)
    assert space.default == pytest.approx(0.25 * 0.5**0.3, rel=0.02)


def test_an_incomplete_recording_says_of_how_many(recording: Recording) -> None:
    part = replace(recording, rows=recording.rows[:-1])
    assert (flatness(part).points, flatness(part).of) == (19, 20)
    assert "| 19 of 20 |" in markdown(study([part], [0]))


def test_all_points_reach_the_best_and_few_random_ones_do_not(recording: Recording) -> None:
    assert reached_by_search(recording, seed=0, trials=20) == 1.0
    assert reached_by_random_search(recording, seed=0, trials=20) == 1.0
    assert reached_by_random_search(recording, seed=0, trials=1) == flatness(recording).default
    assert reached_by_search(recording, seed=0, trials=6) > 0.6


def test_a_replay_depends_on_its_seed_alone(recording: Recording) -> None:
    blind = [reached_by_search(recording, seed, 3, default=False) for seed in (0, 1, 2, 0)]
    assert blind[0] == blind[3]
    assert len(set(blind)) > 1


def test_a_study_has_a_row_and_a_line_for_each_recording(recording: Recording) -> None:
    (row,) = study([recording], range(2))
    assert row["trials"] == 2
    for kind in ("search", "random"):
        assert len(row[f"{kind}_default_first"]) == len(row[f"{kind}_blind"]) == 2
    table = markdown([row]).splitlines()[2:]
    assert len(table) == 3
    assert "entmax alpha=2 float32" in table[2] and "| 20 of 20 |" in table[2]
    assert len({line.count("|") for line in table}) == 1


def _mean(reached: Callable[..., float], path: Path, seeds: int, default: bool = True) -> float:
    measured = read(path)
    return statistics.mean(reached(measured, seed, trials_of(measured), default) for seed in range(seeds))


def test_there_are_five_measured_spaces() -> None:
    assert len(RECORDINGS) == 5


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_the_search_nearly_reaches_the_recorded_best_with_a_tenth_of_the_trials(path: Path) -> None:
    assert _mean(reached_by_search, path, seeds=2) >= 0.97


@pytest.mark.slow
@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_it_does_so_with_more_seeds_too(path: Path) -> None:
    assert _mean(reached_by_search, path, seeds=10) >= 0.97


@pytest.mark.slow
def test_without_the_default_it_beats_random_search() -> None:
    """On average over the spaces: of one alone, that many seeds would not be certain."""
    ours, at_random = (
        statistics.mean(_mean(search, path, seeds=60, default=False) for path in RECORDINGS)
        for search in (reached_by_search, reached_by_random_search)
    )
    assert ours > at_random
