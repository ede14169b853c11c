"""`History`: what one study remembers of the search on one problem, read without changing it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from splashgen.config import Config
from splashgen.families import family_named
from splashgen.gpu import Gpu
from splashgen.problem import Problem
from splashgen.store import Entry, Regime, title
from splashgen.store.schema import EntryModel
from splashgen.tune.measure.outcome import Outcome
from splashgen.tune.measure.standing import Standing
from splashgen.tune.study.records import record_of
from splashgen.tune.study.studies import FINISHED, About, about_study

__all__ = ["Candidate", "History", "read_histories"]

_ENDED = (TrialState.COMPLETE, TrialState.PRUNED)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A config that was evaluated."""

    number: int
    """From 1, in the order in which candidates were handed out."""
    spent: float
    """Seconds of search up to its end, all workers together."""
    config: Config
    outcome: Outcome

    @property
    def closeness(self) -> float | None:
        """The largest error / budget of its outputs: above 1 is wrong. None if nothing was compared."""
        return closeness(self.outcome.errors)


def closeness(errors: Mapping[str, float]) -> float | None:
    """The largest error / budget of `{"out": …, "out_budget": …, …}`, or None if there is none.

    An error that is no number counts as infinite, and so does one whose budget is 0.
    """
    ratios = [
        error / budget if budget else math.inf
        for name, error in errors.items()
        if (budget := errors.get(f"{name}_budget")) is not None
    ]
    return max((math.inf if math.isnan(ratio) else ratio for ratio in ratios), default=None)


@dataclass(frozen=True, slots=True)
class History:
    """The search on one problem in one regime on one GPU."""

    study: str
    """The study's name, by which `optuna-dashboard` shows it."""
    problem: Problem
    gpu: Gpu
    versions: str
    """Of what it was made with."""
    default: Config
    """The family's default for this problem."""
    candidates: tuple[Candidate, ...]
    trials: tuple[FrozenTrial, ...]
    """Optuna's own records, those that cost no evaluation included."""
    last: datetime | None
    """When the last candidate ended, in the clock of the machine that tuned."""
    entry: Entry | None = None
    """The winner of the shoot-out; None while the search goes on, or if nothing was correct."""
    reason: str = ""
    """Why the search ended; empty while it goes on."""
    whole: float | None = None
    """Seconds from the problem's start to its stored winner, in the run that stored it; None before there is
    one, and in studies of earlier versions."""
    finalists: tuple[Standing, ...] = ()
    """Who met at the end, the fastest over the bucket first, and then who failed the strictest gate; empty
    before that, and in studies of earlier versions."""
    unevaluated: int = 0
    """Candidates that a constraint ruled out or whose code was known."""
    regime: Regime = Regime.MIXED

    @property
    def title(self) -> str:
        """The problem, and the regime if it is not the mixture."""
        return title(self.problem, self.regime)

    @property
    def correct(self) -> list[Candidate]:
        """Candidates that passed the gate and were timed."""
        return [candidate for candidate in self.candidates if candidate.outcome.ok]

    @property
    def rejected(self) -> list[Candidate]:
        """All the others."""
        return [candidate for candidate in self.candidates if not candidate.outcome.ok]

    @property
    def winner(self) -> Config | None:
        """The stored config; before there is one, the fastest so far."""
        if self.entry is not None:
            return self.entry.config
        fastest = min(self.correct, key=lambda one: one.outcome.median, default=None)
        return fastest.config if fastest else None

    @property
    def seconds(self) -> float:
        """Of search."""
        return self.candidates[-1].spent if self.candidates else 0.0


def read_histories(
    storage: optuna.storages.BaseStorage, gpu: str | None = None
) -> tuple[list[History], list[str]]:
    """The newest study of each problem, regime and GPU, and the names of studies of other versions.

    Parameters
    ----------
    storage : optuna.storages.BaseStorage
        What `splashgen tune` wrote to.
    gpu : str, optional
        The slug of the only GPU that is wanted.
    """
    newest: dict[tuple[str, Problem, Regime], History] = {}
    foreign = []
    for summary in optuna.get_all_study_summaries(storage):
        try:
            about = about_study(summary.user_attrs)
            history = _history(storage, summary, about)
        except (ValueError, TypeError, KeyError):
            foreign.append(summary.study_name)
            continue
        key = (about.gpu.slug, about.problem, about.regime)
        before = newest.get(key)
        if gpu in (None, about.gpu.slug) and (before is None or _date(before) <= _date(history)):
            newest[key] = history
    return list(newest.values()), foreign


def _date(history: History) -> datetime:
    return history.last or datetime.min


def _history(storage: optuna.storages.BaseStorage, summary: Any, about: About) -> History:
    study = optuna.load_study(study_name=summary.study_name, storage=storage)
    trials = tuple(study.get_trials(deepcopy=False, states=_ENDED))
    records = [record_of(about.family, trial) for trial in trials]
    paid = [record for record in records if not record.free]
    spent = accumulate(record.seconds for record in paid)
    candidates = tuple(
        Candidate(number, seconds, record.config, record.outcome)
        for number, (record, seconds) in enumerate(zip(paid, spent, strict=True), 1)
    )
    finished = summary.user_attrs.get(FINISHED) or {}
    return History(
        study=summary.study_name,
        problem=about.problem,
        gpu=about.gpu,
        versions=about.versions,
        default=family_named(about.family).default(about.problem, about.gpu),
        candidates=candidates,
        trials=trials,
        last=max((trial.datetime_complete for trial in trials if trial.datetime_complete), default=None),
        entry=EntryModel.model_validate(finished["entry"]).build() if "entry" in finished else None,
        reason=str(finished.get("reason", "")),
        whole=finished.get("seconds"),
        finalists=tuple(map(Standing.from_dict, finished.get("finalists", ()))),
        unevaluated=len(trials) - len(paid),
        regime=about.regime,
    )
