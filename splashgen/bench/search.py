"""How good a search is: replays of recorded spaces, beside random search, over many seeds."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from splashgen.bench.reached import reached_by_random_search, reached_by_search, speeds
from splashgen.tune.recordings.recording import Recording

__all__ = ["Flatness", "flatness", "markdown", "study", "trials_of"]

_SHARE = 0.1
"""Of the recorded points, that are tried."""
_FLAT = (1.03, 1.1)
_GOOD = 0.97


@dataclass(frozen=True, slots=True)
class Flatness:
    """How hard a space is."""

    points: int
    """With a row in the recording; all are of distinct code."""
    of: int
    """Of distinct code in the space. Where they are more, the best of the space is not known."""
    correct: int
    within: tuple[float, ...]
    """Shares of the correct points whose time is within 3 % and 10 % of the best."""
    default: float
    """Speed of the default, relative to the best."""
    best_ms: float


def flatness(recording: Recording) -> Flatness:
    """What the recording says of its space; «the best» is always the best of the recorded points."""
    times = [row.outcome.median for row in recording.rows if row.outcome.ok]
    best = min(times)
    within = tuple(sum(time <= factor * best for time in times) / len(times) for factor in _FLAT)
    default = speeds(recording)[recording.head.default]
    return Flatness(len(recording.rows), recording.head.points, len(times), within, default, best)


def trials_of(recording: Recording) -> int:
    """A tenth of the recorded points."""
    return max(int(_SHARE * len(recording.rows)), 1)


def study(recordings: Sequence[Recording], seeds: Iterable[int]) -> list[dict[str, Any]]:
    """A row for each recording: its facts, and what both searches reached with each seed.

    Each once as for users, with the default tried first, and once blind, without it.
    """
    rows, seeds = [], list(seeds)
    for recording in recordings:
        space, trials, head = flatness(recording), trials_of(recording), recording.head
        reached = {
            f"{name}_{start}": [round(search(recording, seed, trials, default), 4) for seed in seeds]
            for start, default in (("default_first", True), ("blind", False))
            for name, search in (("search", reached_by_search), ("random", reached_by_random_search))
        }
        rows.append(
            {
                "problem": head.problem.as_dict(),
                "title": str(head.problem),
                "gpu": head.gpu.name,
                "made": head.made.date,
                "varied": {name: list(values) for name, values in head.choices.items() if len(values) > 1},
                "points": space.points,
                "of": space.of,
                "correct": space.correct,
                "within_3_percent": round(space.within[0], 4),
                "within_10_percent": round(space.within[1], 4),
                "best_ms": space.best_ms,
                "default": round(space.default, 4),
                "trials": trials,
                "seeds": seeds,
                **reached,
            }
        )
    return rows


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """The rows as a table; speeds relative to the best of the recorded points."""
    lines = [
        "Speeds relative to the best recorded point: mean over the seeds, least, seeds with 97 % or more; "
        "margins with their standard errors.",
        "",
        "| space | recorded points | within 3 % / 10 % of the best | trials | default alone | "
        "search, default first | random search, default first | margin | search, blind | "
        "random search, blind | margin |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        halves = []
        for start in ("default_first", "blind"):
            ours, at_random = row[f"search_{start}"], row[f"random_{start}"]
            halves.append(f"{_summary(ours)} | {_summary(at_random)} | {_margin(ours, at_random)}")
        lines.append(
            f"| {row['gpu']}: {row['title']} | {row['points']} of {row['of']} | "
            f"{row['within_3_percent']:.1%} / {row['within_10_percent']:.1%} | {row['trials']} | "
            f"{row['default']:.3f} | {' | '.join(halves)} |"
        )
    return "\n".join(lines)


def _summary(values: Sequence[float]) -> str:
    good = sum(value >= _GOOD for value in values)
    return f"{statistics.mean(values):.3f}, {min(values):.3f}, {good} of {len(values)}"


def _margin(ours: Sequence[float], at_random: Sequence[float]) -> str:
    margin = statistics.mean(ours) - statistics.mean(at_random)
    if len(ours) < 2:
        return f"{margin:+.3f}"
    variance = (statistics.variance(ours) + statistics.variance(at_random)) / len(ours)
    return f"{margin:+.3f} ± {variance**0.5:.3f}"
