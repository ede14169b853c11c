"""What a study's trials say: candidates handed out, candidates whose end is known."""

import json
from dataclasses import dataclass
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from splashgen.config import Config
from splashgen.tune.measure.outcome import Outcome

__all__ = [
    "CLAIM",
    "DROPPED",
    "EVALUATION",
    "Record",
    "Ticket",
    "ending",
    "facts_of",
    "record_of",
    "told_outcome",
]

CLAIM, DROPPED, EVALUATION = "code_hash", "given_back", "evaluation"
"""The attributes of a trial that say how far it came."""
ENDED = (TrialState.COMPLETE, TrialState.PRUNED)
"""The states of a trial whose result counts."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """A candidate that was handed out and whose result is awaited."""

    number: int
    config: Config


@dataclass(frozen=True, slots=True)
class Record:
    """A candidate with what became of it."""

    config: Config
    code_hash: str
    outcome: Outcome
    seconds: float
    """Of the search that it took."""
    free: bool
    """It cost no evaluation: a constraint ruled it out, or its code was known already."""


def facts_of(outcome: Outcome, code_hash: str, seconds: float, free: bool) -> dict[str, Any]:
    """The attributes of a trial that ended.

    The evaluation is one attribute, written at once; as text, because NaN is no JSON to some databases.
    """
    facts = {"outcome": outcome.as_dict(), "code_hash": code_hash, "seconds": seconds, "free": free}
    told: dict[str, Any] = {"status": outcome.status.value}
    if outcome.reason:
        told["reason"] = outcome.reason
    return told | {EVALUATION: json.dumps(facts)}


def ending(outcome: Outcome) -> tuple[float | None, TrialState]:
    """Value in milliseconds, over the bucket, and state of the trial that ended so."""
    return (outcome.overall, TrialState.COMPLETE) if outcome.ok else (None, TrialState.PRUNED)


def told_outcome(trial: FrozenTrial) -> Outcome:
    """The outcome that `facts_of` wrote."""
    return Outcome.from_dict(json.loads(trial.user_attrs[EVALUATION])["outcome"])


def record_of(family: str, trial: FrozenTrial) -> Record:
    """All that `facts_of` wrote, and the config."""
    facts = json.loads(trial.user_attrs[EVALUATION])
    config = Config.of(family, trial.params)
    return Record(config, facts["code_hash"], told_outcome(trial), facts["seconds"], facts["free"])
