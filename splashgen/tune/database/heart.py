"""`Heart`: signs of life of the candidates that this process is at."""

import contextlib
import itertools
import threading

import optuna
import sqlalchemy.exc
from optuna.storages import BaseStorage

__all__ = ["BEAT", "Heart"]

BEAT = "beat"
"""The attribute of a trial that changes while its worker lives."""


class Heart:
    """Writes a number that grows to every running trial, in a thread of its own.

    Others look whether the number changes, never at a time of day: clocks differ, and are set back.

    Parameters
    ----------
    storage : BaseStorage
        Where the trials are. A beat that it does not take is left out.
    seconds : float
        Between two beats.
    """

    def __init__(self, storage: BaseStorage, seconds: float) -> None:
        self._storage, self._seconds = storage, seconds
        self._trials: set[int] = set()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def begin(self, trial_id: int) -> None:
        """Beat for this trial from now on."""
        with self._lock:
            self._trials.add(trial_id)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="splashgen-heart", daemon=True)
                self._thread.start()

    def end(self, trial_id: int) -> None:
        """Beat for it no more."""
        with self._lock:
            self._trials.discard(trial_id)

    def _run(self) -> None:
        pause = threading.Event()
        for number in itertools.count(1):
            pause.wait(self._seconds)
            with self._lock:
                trials = tuple(self._trials)
                if not trials:
                    self._thread = None
                    return
            for trial_id in trials:
                # The trial may have ended meanwhile, or the database be away: the next beat may reach it.
                with contextlib.suppress(
                    optuna.exceptions.OptunaError, sqlalchemy.exc.SQLAlchemyError, KeyError
                ):
                    self._storage.set_trial_user_attr(trial_id, BEAT, number)
