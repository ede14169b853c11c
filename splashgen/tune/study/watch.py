"""`Watch`: what other workers did on a study since one last looked."""

from collections.abc import Sequence
from dataclasses import dataclass

from optuna.trial import FrozenTrial, TrialState

from splashgen.config import Config
from splashgen.tune.study.records import CLAIM, ENDED, Record, record_of

__all__ = ["Claim", "News", "Watch"]


@dataclass(frozen=True, slots=True)
class Claim:
    """A candidate that a worker is at."""

    config: Config
    code_hash: str


@dataclass(frozen=True, slots=True)
class News:
    """What other workers did since one last asked."""

    records: tuple[Record, ...] = ()
    """Candidates whose end is known now."""
    claims: tuple[Claim, ...] = ()
    """Candidates that they began."""
    freed: tuple[Claim, ...] = ()
    """Candidates begun before that they gave back or lost; one's own among them if others gave it up."""


class Watch:
    """Remembers which trials it has told of.

    Parameters
    ----------
    family : str
        Of the study's configs.
    """

    def __init__(self, family: str) -> None:
        self._family = family
        self.seen: dict[int, TrialState] = {}
        """The state of trials that need not be told of, by number: of one's own, and of those told before."""

    def news(self, trials: Sequence[FrozenTrial]) -> News:
        """What is new among the study's trials."""
        records, claims, freed = [], [], []
        for trial in trials:
            before = self.seen.get(trial.number)
            if before not in (None, TrialState.RUNNING) or trial.state in (before, TrialState.WAITING):
                continue
            if trial.state in ENDED:
                records.append(record_of(self._family, trial))
            elif trial.state is TrialState.RUNNING:
                if CLAIM not in trial.user_attrs:
                    continue
                claims.append(self._claim(trial))
            elif before is TrialState.RUNNING:
                freed.append(self._claim(trial))
            self.seen[trial.number] = trial.state
        return News(tuple(records), tuple(claims), tuple(freed))

    def _claim(self, trial: FrozenTrial) -> Claim:
        return Claim(Config.of(self._family, trial.params), trial.user_attrs[CLAIM])
