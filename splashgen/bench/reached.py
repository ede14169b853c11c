"""Replays of a recorded space: what a search with few trials reaches in it, beside random search."""

import contextlib
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import optuna

from splashgen.config import Config
from splashgen.tune.confirm import confirm, winner
from splashgen.tune.database.patience import Patience
from splashgen.tune.database.storage import Storage
from splashgen.tune.measure.evaluate import ShootOut, Trial
from splashgen.tune.measure.outcome import Outcome
from splashgen.tune.recordings.recording import Recording
from splashgen.tune.recordings.replay import drawn, simulated, terrain_of_recording
from splashgen.tune.search.search import Search
from splashgen.tune.study.journal import Journal

__all__ = ["reached_by_random_search", "reached_by_search", "speeds"]


def speeds(recording: Recording) -> dict[Config, float]:
    """The speed of each correct config, relative to the fastest."""
    times = {row.config: row.outcome.median for row in recording.rows if row.outcome.ok}
    best = min(times.values())
    return {config: best / time for config, time in times.items()}


def reached_by_search(recording: Recording, seed: int, trials: int, default: bool = True) -> float:
    """Speed of the config that the tuner's search and shoot-out choose, relative to the recorded best.

    Parameters
    ----------
    recording : Recording
        From which outcomes are drawn, with the noise that the samples of a config have.
    trials : int
        Configs that are evaluated, the default included.
    default : bool
        Whether the search is told the default, tries it first and defends it in the shoot-out, as for users.

    Returns
    -------
    float
        0 if no correct config was found.
    """
    terrain, problem = terrain_of_recording(recording), recording.head.problem
    # The seed is in the study's name, from which the search draws its chances.
    gpu = replace(simulated(recording), name=f"{recording.head.gpu.name} {seed} {default}")
    first = [terrain.default] if default else []
    journal = Journal(_in_memory(), problem, gpu, terrain.space)
    search = Search(journal, terrain.space, problem, gpu, first, trials, terrain.code_hash)
    device = _Recorded(recording, seed)
    while ticket := search.next():
        search.tell(ticket, device.trial(ticket.config), 0.0)
    return _chosen(recording, device, {record.config: record.outcome for record in search.records}, first)


def reached_by_random_search(recording: Recording, seed: int, trials: int, default: bool = True) -> float:
    """The same for as many distinct points drawn at random."""
    first = [recording.head.default] if default else []
    others = [row.config for row in recording.rows if row.config not in first]
    device = _Recorded(recording, seed)
    tried = first + random.Random(seed).sample(others, trials - len(first))
    return _chosen(recording, device, {config: device.trial(config) for config in tried}, first)


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
    correct = [config for config, outcome in tried.items() if outcome.ok]
    if not correct:
        return 0.0
    correct.sort(key=lambda config: tried[config].overall)
    head = recording.head
    standings, _ = confirm(device, head.problem, head.gpu, holders, correct, 0, 1.0)
    return speeds(recording)[winner(standings, *(holders or correct[:1])).config]


def _in_memory() -> Storage:
    """For one study of one worker: its trials take no time, and most of a file's would be the file's."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    patience = Patience("The study in memory", 0.0)
    return Storage("", optuna.storages.InMemoryStorage(), lambda name: _unshared, patience)


def _unshared(*, wait: bool = True, seconds: float = 60.0) -> contextlib.AbstractContextManager[bool]:
    """A lock that nobody else could hold."""
    return contextlib.nullcontext(True)
