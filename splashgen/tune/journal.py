"""`Journal`: an Optuna study on disk that remembers every candidate of a problem, whatever ends the tuner."""

import json
import os
import warnings
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import optuna
import platformdirs
import sqlalchemy.event
from optuna.trial import FrozenTrial, TrialState

from splashgen.config import Config
from splashgen.gpu import Gpu
from splashgen.problem import Problem
from splashgen.space import Space
from splashgen.tune.outcome import Outcome
from splashgen.tune.versions import versions

__all__ = ["Journal", "Record", "Ticket", "open_storage", "state_folder"]


def state_folder() -> Path:
    """Where studies lie: `SPLASHGEN_STATE_DIR`, else the user's data folder."""
    chosen = os.environ.get("SPLASHGEN_STATE_DIR")
    return Path(chosen) if chosen else Path(platformdirs.user_data_dir("splashgen"))


def open_storage(folder: Path) -> optuna.storages.RDBStorage:
    """The SQLite file with all studies of this machine; `optuna-dashboard` opens it as well."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    folder.mkdir(parents=True, exist_ok=True)
    storage = optuna.storages.RDBStorage(f"sqlite:///{folder / 'studies.db'}")
    sqlalchemy.event.listen(storage.engine, "connect", _without_waiting)
    storage.engine.dispose()  # connections made before do not know
    return storage


def _without_waiting(connection: Any, record: Any) -> None:
    """A trial is a dozen commits. With a write-ahead log none waits for the disk; a kill still loses none.

    Only a power cut may lose the last trials; it cannot damage the file.
    """
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")


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


class Journal:
    """The study of one problem on one GPU.

    Only the tuner that holds the GPU's lock writes to it, so a trial that is still running when the journal
    is opened was in flight when its tuner died: it is given up.

    Parameters
    ----------
    storage : optuna.storages.BaseStorage
        Where the study lies.
    again : bool
        Start a new study although there is a finished one, which is kept.
    """

    def __init__(
        self,
        storage: optuna.storages.BaseStorage,
        problem: Problem,
        gpu: Gpu,
        space: Space,
        again: bool = False,
    ) -> None:
        self._space = space
        self._distributions: dict[str, optuna.distributions.BaseDistribution] = {
            name: optuna.distributions.CategoricalDistribution(list(values))
            for name, values in space.choices.items()
        }
        self.name = _latest(
            storage, f"{gpu.slug} | {problem.bucketed()} | {space.digest} | {versions()}", again
        )
        self._study = optuna.create_study(
            storage=storage, study_name=self.name, direction="minimize", load_if_exists=True
        )
        about = {"problem": problem.bucketed().as_dict(), "gpu": asdict(gpu), "family": space.family}
        about["versions"] = versions()
        self._study.set_user_attr("about", about)  # for readers: a report, a dashboard
        trials = self._study.get_trials(deepcopy=False)
        for trial in trials:
            if trial.state is TrialState.RUNNING:
                self._study.tell(trial.number, state=TrialState.FAIL)
        self._study.sampler = _sampler(zlib.crc32(self.name.encode()) + len(trials))
        self._running: dict[int, optuna.Trial] = {}

    @property
    def finished(self) -> Mapping[str, Any] | None:
        """What `finish` was told, or None while the study goes on."""
        return self._study.user_attrs.get("finished")

    def finish(self, result: Mapping[str, Any]) -> None:
        """Close the study: the problem is done."""
        self._study.set_user_attr("finished", dict(result))

    def records(self) -> list[Record]:
        """Every candidate whose end is known, in the order in which they were handed out."""
        trials = self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
        return [self._record(trial) for trial in trials]

    def propose(self) -> Ticket:
        """A candidate of Optuna's choice; it may break constraints or be known already."""
        trial = self._study.ask(self._distributions)
        self._running[trial.number] = trial
        return Ticket(trial.number, Config.of(self._space.family, trial.params))

    def take(self, config: Config) -> Ticket:
        """Hand out this very candidate."""
        self._study.enqueue_trial(config.as_dict())
        return self.propose()

    def tell(
        self, ticket: Ticket, outcome: Outcome, code_hash: str, seconds: float = 0.0, free: bool = False
    ) -> None:
        """Write down what became of a candidate; from then on no kill can lose it."""
        trial = self._running.pop(ticket.number)
        trial.set_user_attr("status", outcome.status.value)
        facts = {"outcome": outcome.as_dict(), "code_hash": code_hash, "seconds": seconds, "free": free}
        # One attribute, written at once; as text, because NaN errors are no JSON to some databases.
        trial.set_user_attr("evaluation", json.dumps(facts))
        if outcome.ok:
            self._study.tell(trial, outcome.median)
        else:
            self._study.tell(trial, state=TrialState.PRUNED)

    def drop(self, ticket: Ticket) -> None:
        """Take a candidate back without a result."""
        self._study.tell(self._running.pop(ticket.number), state=TrialState.FAIL)

    def _record(self, trial: FrozenTrial) -> Record:
        facts = json.loads(trial.user_attrs["evaluation"])
        config = Config.of(self._space.family, trial.params)
        outcome = Outcome.from_dict(facts["outcome"])
        return Record(config, facts["code_hash"], outcome, facts["seconds"], facts["free"])


def _latest(storage: optuna.storages.BaseStorage, base: str, again: bool) -> str:
    """The name of the newest study of this kind, or of the one after it."""
    known = {summary.study_name: summary for summary in optuna.get_all_study_summaries(storage)}
    number, name = 1, base
    while (following := f"{base} | {number + 1}") in known:
        number, name = number + 1, following
    if again and name in known and "finished" in known[name].user_attrs:
        return following
    return name


def _sampler(seed: int) -> optuna.samplers.BaseSampler:
    with warnings.catch_warnings():
        # Experimental before Optuna 5 and deprecated since, for `Trial.set_constraint` instead.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        warnings.simplefilter("ignore", FutureWarning)
        return optuna.samplers.TPESampler(
            multivariate=True, constant_liar=True, constraints_func=_violation, seed=seed % 2**32
        )


def _violation(trial: FrozenTrial) -> tuple[float]:
    """Above 0 for candidates that cannot win, whatever the reason: the sampler turns away from them."""
    return (0.0 if trial.user_attrs.get("status") == "ok" else 1.0,)
