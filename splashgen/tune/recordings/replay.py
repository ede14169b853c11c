"""Tuning without a device: outcomes are drawn from a recording, with the noise that it has."""

import functools
import os
import platform
import random
from dataclasses import replace
from pathlib import Path

from splashgen.config import Config
from splashgen.gpu import Gpu
from splashgen.tune.campaign import Campaign, Task
from splashgen.tune.database.state import state_folder
from splashgen.tune.database.storage import Storage, open_storage
from splashgen.tune.limits import Limits
from splashgen.tune.measure.bench import Bench, Tools
from splashgen.tune.measure.evaluate import ShootOut, Trial
from splashgen.tune.measure.outcome import Outcome
from splashgen.tune.recordings.files import RecordingError, read
from splashgen.tune.recordings.recording import Recording, Row
from splashgen.tune.search.terrain import Terrain
from splashgen.tune.show.events import Event, Notify
from splashgen.tune.show.report import Report
from splashgen.tune.study.journal import Journal

__all__ = ["drawn", "replay", "replay_tools", "simulated", "terrain_of_recording"]

_ROUNDS = 30
"""Of a shoot-out."""


def _silent(event: Event) -> None:
    return None


def replay(
    path: Path,
    limits: Limits | None = None,
    *,
    again: bool = False,
    folder: Path | None = None,
    storage: str | Storage | None = None,
    notify: Notify = _silent,
) -> tuple[Report, Gpu]:
    """Tune the recorded problem as `tune` does, with a recording in the place of the device.

    All but compiling and timing is real: the search, the study on its storage, the worker process, the
    shoot-out and the store. Studies and winners are those of a GPU whose name ends with «(recorded)», so they
    never mix with measured ones. Several processes that replay the same file on one storage share the work.

    Parameters
    ----------
    path : Path
        A file that `splashgen record` wrote.
    folder : Path, optional
        Where the winner is stored; `replays` in the folder of studies if left out, where no look-up finds it.
    storage : str or Storage, optional
        Where the study is kept; a file in that folder if left out.
    limits, again, notify
        As for `tune`.

    Returns
    -------
    report : Report
    gpu : Gpu
        The recorded one, by its new name.

    Raises
    ------
    RecordingError
        If the file is no recording, or its configs are none of their family any more.
    StorageError
        As for `tune`.
    """
    recording, limits, own = read(path), limits or Limits(), state_folder() / "replays"
    _check(recording, path)
    problem, gpu, terrain = recording.head.problem, simulated(recording), terrain_of_recording(recording)
    place = storage if isinstance(storage, Storage) else open_storage(storage or own)
    worker = f"{platform.node()}:{os.getpid()}"
    journal = Journal(place, problem, gpu, terrain.space, again, limits=limits, worker=worker)
    task = Task(problem, journal, limits, terrain)
    with Bench(replay_tools(path), limits.candidate_seconds) as bench:
        return Campaign([task], gpu, bench, None, notify, folder or own).run(), gpu


def simulated(recording: Recording) -> Gpu:
    """The recorded device, by a name that no real one has."""
    gpu = recording.head.gpu
    return replace(gpu, name=f"{gpu.name} (recorded)")


def terrain_of_recording(recording: Recording) -> Terrain:
    """The recorded points; what code they had is recorded as well."""
    hashes = {row.config: row.code_hash for row in recording.rows}
    return Terrain(recording.space, recording.head.default, hashes.__getitem__)


def replay_tools(path: Path) -> Tools:
    """What a worker runs instead of kernels."""
    return Tools(
        functools.partial(_trial, path),
        functools.partial(_finalist, path),
        functools.partial(_shoot_out, path),
    )


def drawn(row: Row, chance: random.Random, rounds: int | None = None) -> Outcome:
    """The recorded outcome as another measurement might have had it: its samples are drawn anew."""
    samples = row.outcome.samples
    if not samples:
        return row.outcome
    return replace(row.outcome, samples=tuple(chance.choices(samples, k=rounds or len(samples))))


@functools.lru_cache(maxsize=4)
def _rows(path: Path) -> dict[Config, Row]:
    return {row.config: row for row in read(path).rows}


def _trial(path: Path, trial: Trial) -> Outcome:
    return drawn(_rows(path)[trial.config], random.Random(trial.seed))


def _finalist(path: Path, trial: Trial) -> Outcome:
    return replace(_rows(path)[trial.config].outcome, samples=())


def _shoot_out(path: Path, task: ShootOut) -> tuple[tuple[float, ...], ...]:
    """The recording knows one length: at a ragged one its times are drawn once more."""
    chance = random.Random(task.seed + task.problem.seq_len)
    return tuple(drawn(_rows(path)[config], chance, _ROUNDS).samples for config in task.configs)


def _check(recording: Recording, path: Path) -> None:
    """The store takes configs of today's families only."""
    from splashgen.families import family_named

    try:
        space = family_named(recording.head.family).space
        for row in recording.rows:
            space.member(row.config.as_dict())
    except ValueError as error:
        raise RecordingError(
            f"{path} was recorded with another version of its kernels: {error} Record it anew."
        ) from None
