"""How good a search is: replays of recorded spaces, beside random search, over many seeds."""

import random
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from splashgen.config import Config
from splashgen.tune.confirm import confirm, winner
from splashgen.tune.evaluate import ShootOut, Trial
from splashgen.tune.journal import Journal
from splashgen.tune.outcome import Outcome
from splashgen.tune.recording import Recording
from splashgen.tune.replay import drawn, simulated, terrain_of_recording
from splashgen.tune.search import Search
from splashgen.tune.storage import Storage, open_storage

__all__ = ["Flatness", "flatness", "markdown", "reached_by_random_search", "reached_by_search", "study"]

_SHARE = 0.1
"""Of the points, that are tried."""
_FLAT = (1.03, 1.1)
_GOOD = 0.97


@dataclass(frozen=True, slots=True)
class Flatness:
    """How hard a space is."""

    points: int
    correct: int
    within: tuple[float, ...]
    """Shares of the correct points whose time is within 3 % and 10 % of the best."""
    default: float
    """Speed of the default, relative to the best."""
    best_ms: float


def flatness(recording: Recording) -> Flatness:
    """What the recording says of its space.

    Raises
    ------
    ValueError
        If it is not complete, so that the best is not known.
    """
    if not recording.complete:
        raise ValueError(
            f"The recording has {len(recording.rows)} of {recording.head.points} points; `splashgen record` "
            "with the same options goes on with it."
        )
    times = [row.outcome.median for row in recording.rows if row.outcome.ok]
    best, speeds = min(times), _speeds(recording)
    within = tuple(sum(time <= factor * best for time in times) / len(times) for factor in _FLAT)
    return Flatness(len(recording.rows), len(times), within, speeds[recording.head.default], best)


def reached_by_search(
    recording: Recording, storage: Storage, seed: int, trials: int, default: bool = True
) -> float:
    """Speed of the config that the tuner's search and shoot-out choose, relative to the recorded best.

    It gets outcomes with the recorded noise. Nothing else is known to it but, if it is told, the default.
    """
    terrain, gpu = terrain_of_recording(recording), simulated(recording)
    problem = recording.head.problem
    # A study of its own for each seed: its name is what the search draws its chances from.
    gpu = replace(gpu, name=f"{gpu.name} {seed} {default}")
    journal = Journal(storage, problem, gpu, terrain.space)
    first = [terrain.default] if default else []
    search = Search(journal, terrain.space, problem, gpu, first, trials, terrain.code_hash)
    device = _Recorded(recording, seed)
    while ticket := search.next():
        search.tell(ticket, device.trial(ticket.config), 0.0)
    return _chosen(recording, device, {record.config: record.outcome for record in search.records}, first)


def reached_by_random_search(recording: Recording, seed: int, trials: int) -> float:
    """The same for as many points drawn at random."""
    device = _Recorded(recording, seed)
    tried = random.Random(seed).sample([row.config for row in recording.rows], trials)
    return _chosen(recording, device, {config: device.trial(config) for config in tried}, [])


class _Recorded:
    """Stands in for the `Bench`, in this process."""

    def __init__(self, recording: Recording, seed: int) -> None:
        self._rows = {row.config: row for row in recording.rows}
        self._chance = random.Random(seed)

    def trial(self, config: Config) -> Outcome:
        return drawn(self._rows[config], self._chance)

    def finalist(self, trial: Trial) -> Outcome:
        return self._rows[trial.config].outcome

    def shoot_out(self, task: ShootOut) -> tuple[tuple[float, ...], ...]:
        return tuple(drawn(self._rows[config], self._chance, 30).samples for config in task.configs)


def _chosen(
    recording: Recording, device: Any, tried: dict[Config, Outcome], holders: Sequence[Config]
) -> float:
    correct = [config for config in tried if tried[config].ok]
    if not correct:
        return 0.0
    correct.sort(key=lambda config: tried[config].median)
    head = recording.head
    standings, _ = confirm(device, head.problem, head.gpu, holders, correct, 0, 1.0)
    return _speeds(recording)[winner(standings, *(holders or correct[:1])).config]


def _speeds(recording: Recording) -> dict[Config, float]:
    times = {row.config: row.outcome.median for row in recording.rows if row.outcome.ok}
    best = min(times.values())
    return {config: best / time for config, time in times.items()}


def study(recordings: Sequence[Recording], seeds: int) -> list[dict[str, Any]]:
    """A row for each recording: its facts, and what both searches reached with each seed."""
    rows = []
    for recording in recordings:
        space = flatness(recording)
        trials = max(int(_SHARE * space.points), 1)
        with tempfile.TemporaryDirectory() as folder:
            storage = open_storage(Path(folder))
            ours, blind = (
                [reached_by_search(recording, storage, seed, trials, default) for seed in range(seeds)]
                for default in (True, False)
            )
        at_random = [reached_by_random_search(recording, seed, trials) for seed in range(seeds)]
        rows.append(
            {
                "problem": recording.head.problem.as_dict(),
                "title": str(recording.head.problem),
                "gpu": recording.head.gpu.name,
                "made": recording.head.made.date,
                "varied": {name: list(v) for name, v in recording.head.choices.items() if len(v) > 1},
                "points": space.points,
                "correct": space.correct,
                "within_3_percent": round(space.within[0], 4),
                "within_10_percent": round(space.within[1], 4),
                "best_ms": space.best_ms,
                "default": round(space.default, 4),
                "trials": trials,
                "search": [round(value, 4) for value in ours],
                "search_without_default": [round(value, 4) for value in blind],
                "random": [round(value, 4) for value in at_random],
            }
        )
    return rows


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """The rows as a table; speeds relative to the best of all points: mean, least, and how many ≥ 97 %."""
    lines = [
        "| space | points | within 3 % / 10 % of the best | trials | default alone | search | search without "
        "the default | random search | margin over random, with and without the default |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        reached = [row["search"], row["search_without_default"], row["random"]]
        ours, blind, at_random = map(statistics.mean, reached)
        lines.append(
            f"| {row['gpu']}: {row['title']} | {row['points']} | {row['within_3_percent']:.1%} / "
            f"{row['within_10_percent']:.1%} | {row['trials']} | {row['default']:.3f} | "
            f"{' | '.join(map(_summary, reached))} | {ours - at_random:+.3f}, {blind - at_random:+.3f} |"
        )
    return "\n".join(lines)


def _summary(values: Sequence[float]) -> str:
    good = sum(value >= _GOOD for value in values)
    return f"{statistics.mean(values):.3f}, {min(values):.3f}, {good} of {len(values)}"
