"""`Recovery`: what dead workers left behind is counted once, or queued again."""

import contextlib
import time
from collections.abc import Container, Sequence

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from splashgen.tune.database.heart import BEAT
from splashgen.tune.database.storage import Storage
from splashgen.tune.measure.outcome import Outcome, Status
from splashgen.tune.study.records import CLAIM, DROPPED, EVALUATION, ending, facts_of, told_outcome

__all__ = ["Recovery"]

_TRIES = 3
"""Workers that a candidate may take down before it counts as crashed."""


class Recovery:
    """Finds trials whose worker is dead.

    Everything is read off the trials themselves, so a worker that dies over it loses nothing either.

    Parameters
    ----------
    worker : str
        Who looks: what this name has claimed and is not at was left by its predecessor.
    """

    def __init__(self, study: optuna.Study, storage: Storage, worker: str) -> None:
        self._study, self._storage, self._worker = study, storage, worker
        self._beats: dict[int, tuple[int, float]] = {}
        """Of other workers' trials, the last beat, and when it was first seen by this process's clock."""

    def run(self, own: Container[int]) -> Sequence[FrozenTrial]:
        """Settle what is running and has no worker, and queue again what was lost. Only within a turn.

        Parameters
        ----------
        own : container of int
            Numbers of the trials that this process is at.

        Returns
        -------
        sequence of FrozenTrial
            The study's trials as they are then.
        """
        trials, settled = self._trials(), 0
        for trial in trials:
            if trial.state is TrialState.RUNNING and trial.number not in own and self._is_dead(trial):
                with contextlib.suppress(
                    UpdateFinishedTrialError, ValueError
                ):  # it lived, and ended just now
                    self._settle(trial)
                settled += 1
        if settled:
            trials = self._trials()
        queued = {trial.user_attrs.get("retry_of") for trial in trials}
        for trial in trials:
            attributes = trial.user_attrs
            lost = trial.state is TrialState.FAIL and CLAIM in attributes and DROPPED not in attributes
            if lost and trial.number not in queued:
                settled += 1
                about = {"retry_of": trial.number, "tries": attributes.get("tries", 1) + 1}
                self._study.enqueue_trial(trial.params, user_attrs=about)
        return self._trials() if settled else trials

    def _trials(self) -> Sequence[FrozenTrial]:
        trials: Sequence[FrozenTrial] = self._study.get_trials(deepcopy=False)
        return trials

    def _is_dead(self, trial: FrozenTrial) -> bool:
        if CLAIM not in trial.user_attrs or trial.user_attrs.get("worker") == self._worker:
            return True  # claims are made within a turn, and this turn is ours
        beat, now = trial.user_attrs.get(BEAT, 0), time.monotonic()
        last, since = self._beats.get(trial.number, (None, now))
        troubled = self._storage.patience.troubled
        # While the storage was away, nobody's beat could be seen.
        if beat != last or (troubled is not None and troubled > since):
            self._beats[trial.number] = beat, now
            return False
        return now - since > self._storage.grace_seconds

    def _settle(self, trial: FrozenTrial) -> None:
        attributes = trial.user_attrs
        if EVALUATION in attributes:  # it was told, all but the last word
            value, state = ending(told_outcome(trial))
            self._study.tell(trial.number, value, state)
        elif attributes.get("tries", 1) >= _TRIES:
            reason = f"{_TRIES} workers died while they were at it."
            facts = facts_of(Outcome(Status.CRASHED, reason), attributes[CLAIM], 0.0, free=False)
            for name, value in facts.items():
                self._storage.optuna.set_trial_user_attr(trial._trial_id, name, value)
            self._study.tell(trial.number, state=TrialState.PRUNED)
        else:
            self._study.tell(trial.number, state=TrialState.FAIL)
