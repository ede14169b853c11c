"""`Journal`: an Optuna study that remembers every candidate of a problem, whatever ends its workers."""

import contextlib
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from splashgen.config import Config
from splashgen.gpu import Gpu
from splashgen.problem import Problem
from splashgen.space import Space
from splashgen.store.entry import Regime
from splashgen.tune.database.mutex import MutexLost
from splashgen.tune.database.storage import Storage
from splashgen.tune.limits import Limits
from splashgen.tune.measure.outcome import Outcome
from splashgen.tune.study.records import CLAIM, DROPPED, ENDED, Record, Ticket, ending, facts_of, record_of
from splashgen.tune.study.recovery import Recovery
from splashgen.tune.study.sampler import distributions, sampler
from splashgen.tune.study.studies import FINISHED, opened, study_named
from splashgen.tune.study.turns import Turns
from splashgen.tune.study.watch import News, Watch

__all__ = ["Journal"]


class Journal:
    """The study of one problem in one regime on one kind of GPU, as one of its workers sees it.

    Workers take turns at handing out candidates; a candidate is claimed before the turn ends, so no two are
    at the same one. A claim whose worker died is failed and queued again, and what its worker may still tell
    is refused: each candidate ends once.

    Parameters
    ----------
    storage : Storage
        Where the study lies.
    again : bool
        Start a new study although there is a finished one, which is kept.
    limits : Limits, optional
        For workers that join.
    worker : str
        Who works here. Only one of a name lives at a time, so what the name has claimed when the journal is
        opened was in flight when its predecessor died.
    regime : Regime
        What candidates are timed on.
    seed : int
        Of the search: a tune is independent of another one on the same problem if theirs differ.
    """

    def __init__(
        self,
        storage: Storage,
        problem: Problem,
        gpu: Gpu,
        space: Space,
        again: bool = False,
        *,
        limits: Limits | None = None,
        worker: str = "",
        regime: Regime = Regime.MIXED,
        seed: int = 0,
    ) -> None:
        self.regime = regime
        self._storage, self._space, self._worker = storage, space, worker
        self._distributions = distributions(space)
        self.name = study_named(storage, problem, gpu, space, again, regime)
        self.chances = zlib.crc32(f"{self.name}{seed or ''}".encode())
        """What a search on this study seeds its choices with."""
        self._study = opened(storage, self.name, problem, gpu, space, limits, regime)
        self._study.sampler = sampler(zlib.crc32(worker.encode(), self.chances) + len(self._trials()))
        self._turns = Turns(storage, self.name)
        self._running: dict[int, optuna.Trial] = {}
        self._queued = 0
        self._watch = Watch(space.family)
        self._recovery = Recovery(self._study, storage, worker)
        with contextlib.suppress(MutexLost), self._turns.held():
            self._recovered()

    @property
    def finished(self) -> Mapping[str, Any] | None:
        """What `finish` was told, or None while the study goes on."""
        return self._study.user_attrs.get(FINISHED)

    def finish(self, result: Mapping[str, Any]) -> None:
        """Close the study: the problem is done. The first word is the last."""
        with contextlib.suppress(MutexLost), self._turns.held():
            if self.finished is None:
                self._study.set_user_attr(FINISHED, dict(result))

    def records(self) -> list[Record]:
        """Every candidate whose end is known, in the order in which they were handed out."""
        return [record_of(self._space.family, trial) for trial in self._trials() if trial.state in ENDED]

    @contextlib.contextmanager
    def turn(self) -> Iterator[News]:
        """While it lasts, nobody else hands out candidates of this study; the value is what the others did.

        Raises
        ------
        MutexLost
            On leaving, if somebody else may have had a turn meanwhile: drop the ticket of this turn.
        """
        with self._turns.held():
            yield self._watch.news(self._recovered())

    def news(self) -> News:
        """What the others did since one last asked; they end candidates outside of turns too."""
        return self._watch.news(self._trials())

    def closing(self) -> contextlib.AbstractContextManager[bool]:
        """Hold the right to find the winner; the value is False if another worker has it."""
        return self._turns.closing()

    @property
    def others_busy(self) -> bool:
        """Whether candidates are being evaluated by other workers."""
        running = [trial for trial in self._trials() if trial.state is TrialState.RUNNING]
        return any(trial.number not in self._running for trial in running)

    @property
    def waiting(self) -> bool:
        """Whether a candidate is queued, which `propose` then returns: one that another worker lost."""
        return self._queued > 0

    def propose(self) -> Ticket:
        """A candidate of Optuna's choice; it may break constraints or be known already."""
        trial = self._study.ask(self._distributions)
        self._running[trial.number] = trial
        self._queued -= self._queued > 0
        return Ticket(trial.number, Config.of(self._space.family, trial.params))

    def take(self, config: Config) -> Ticket:
        """Hand out this very candidate, provided that none is waiting."""
        self._study.enqueue_trial(config.as_dict())
        self._queued += 1
        return self.propose()

    def claim(self, ticket: Ticket, code_hash: str) -> None:
        """Tell all workers, within a turn, that this candidate is evaluated here.

        Raises
        ------
        MutexLost
            If another worker took the turn and the ticket meanwhile.
        """
        trial = self._running[ticket.number]
        try:
            trial.set_user_attr("worker", self._worker)
            trial.set_user_attr(CLAIM, code_hash)
        except UpdateFinishedTrialError as error:
            raise MutexLost from error
        self._watch.seen[ticket.number] = TrialState.RUNNING
        self._storage.heart.begin(trial._trial_id)

    def tell(
        self, ticket: Ticket, outcome: Outcome, code_hash: str, seconds: float = 0.0, free: bool = False
    ) -> bool:
        """Write down what became of a candidate; from then on no kill can lose it.

        Returns
        -------
        bool
            False if this worker was taken for dead and the candidate over: the result does not count.
        """
        trial = self._end(ticket)
        try:
            for name, value in facts_of(outcome, code_hash, seconds, free).items():
                trial.set_user_attr(name, value)
            self._study.tell(trial, *ending(outcome))
        except (UpdateFinishedTrialError, ValueError):  # Optuna's two ways to say that the trial has ended
            if self._study.get_trials(deepcopy=False)[ticket.number].state not in ENDED:
                return False
        self._watch.seen[ticket.number] = TrialState.COMPLETE
        return True

    def drop(self, ticket: Ticket) -> None:
        """Take a candidate back without a result."""
        trial = self._end(ticket)
        with contextlib.suppress(UpdateFinishedTrialError, ValueError):  # others took it over before
            trial.set_user_attr(DROPPED, True)
            self._study.tell(trial, state=TrialState.FAIL)
        self._watch.seen[ticket.number] = TrialState.FAIL

    def _end(self, ticket: Ticket) -> optuna.Trial:
        trial = self._running.pop(ticket.number)
        self._storage.heart.end(trial._trial_id)
        return trial

    def _trials(self) -> list[FrozenTrial]:
        trials: list[FrozenTrial] = self._study.get_trials(deepcopy=False)
        return trials

    def _recovered(self) -> Sequence[FrozenTrial]:
        trials = self._recovery.run(self._running)
        self._queued = sum(trial.state is TrialState.WAITING for trial in trials)
        return trials
