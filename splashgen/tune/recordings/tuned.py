"""Recordings of what a tuner measured: its studies, in the format of `record`.

A recording so made holds what the search looked at: mostly what promised to be fast. Its rows sat exams of
different seeds, and the hopeless among them were timed for two rounds only.
"""

import math
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import optuna
from optuna.distributions import CategoricalDistribution
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial

from splashgen.config import Config, Value
from splashgen.families import family_named
from splashgen.store import Provenance, Regime
from splashgen.tune.recordings.recording import Head, Recording, Row
from splashgen.tune.study.records import ENDED, record_of
from splashgen.tune.study.studies import About, about_study

__all__ = ["Tuned", "recordings_of"]


@dataclass(frozen=True, slots=True)
class Tuned:
    """What one study measured."""

    study: str
    name: str
    """Of a file for it, without an ending: chip, problem, and eight digits that no other study has."""
    recording: Recording


def recordings_of(storage: BaseStorage, gpu: str | None = None) -> tuple[list[Tuned], list[str]]:
    """A recording of each study that evaluated a candidate, finished or not, and what was left out.

    Parameters
    ----------
    storage : BaseStorage
        What `splashgen tune` wrote to.
    gpu : str, optional
        The slug of the only chip that is wanted.

    Returns
    -------
    tuned : list of Tuned
    left_out : list of str
        A sentence for each study that cannot be a recording: a recording holds times of the mixture, and
        its family has to be known.
    """
    tuned, left_out = [], []
    for summary in optuna.get_all_study_summaries(storage):
        try:
            about = about_study(summary.user_attrs)
        except ValueError:
            left_out.append(f"«{summary.study_name}» is no study of this version.")
            continue
        if gpu not in (None, about.gpu.slug):
            continue
        if about.regime is not Regime.MIXED:
            left_out.append(f"«{summary.study_name}» is of {about.regime.value} scores, not of the mixture.")
            continue
        trials = optuna.load_study(study_name=summary.study_name, storage=storage).get_trials(deepcopy=False)
        recording = _recording(about, trials)
        if recording is None:
            left_out.append(f"«{summary.study_name}» has no candidate yet.")
            continue
        tuned.append(Tuned(summary.study_name, _name(summary.study_name, about, trials), recording))
    return tuned, left_out


def _recording(about: About, trials: Sequence[FrozenTrial]) -> Recording | None:
    """None if no candidate was evaluated."""
    ended = [trial for trial in trials if trial.state in ENDED]
    records = [record for trial in ended if not (record := record_of(about.family, trial)).free]
    if not records:
        return None
    first = next(trial for trial in trials if trial.params)
    choices: dict[str, tuple[Value, ...]] = {
        name: tuple(value for value in each.choices if value is not None)
        for name, each in first.distributions.items()
        if isinstance(each, CategoricalDistribution)
    }
    head = Head(
        about.problem,
        about.gpu,
        about.family,
        choices,
        _default(about, [record.config for record in records], Config.of(about.family, first.params)),
        math.prod(map(len, choices.values())),
        about.limits.timing_seconds,
        replace(about.made or _made(about.versions), date=_day(ended)),
    )
    rows = {record.config: Row(record.config, record.code_hash, record.outcome) for record in records}
    return Recording(head, tuple(rows.values()))


def _default(about: About, evaluated: Sequence[Config], first: Config) -> Config:
    """Every search evaluates the family's default; if that is another one by now, where the search began."""
    default = family_named(about.family).default(about.problem, about.gpu)
    return default if default in evaluated else first


def _made(versions: str) -> Provenance:
    """What the study's name says of its versions: their first two numbers."""
    known = dict(part.split(" ", 1) for part in versions.split(", "))
    return Provenance(known["splashgen"], known.get("torch", ""), known.get("triton", ""), "", "")


def _day(trials: Sequence[FrozenTrial]) -> str:
    """On which the last of them ended, as an ISO date."""
    return max(trial.datetime_complete for trial in trials if trial.datetime_complete).date().isoformat()


def _name(study: str, about: About, trials: Sequence[FrozenTrial]) -> str:
    """Studies of one name lie in several storages, but no two began at the same microsecond."""
    words = re.sub(r"[^0-9A-Za-z.]+", "-", f"{about.gpu.slug} {about.problem}").strip("-")
    return f"{words}-{zlib.crc32(f'{study} {trials[0].datetime_start}'.encode()):08x}"
