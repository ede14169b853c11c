"""What is stored of a shoot-out."""

from collections.abc import Sequence
from datetime import date

from splashgen.config import Config
from splashgen.problem import Problem
from splashgen.store import Entry, Regime, RunnerUp, Status, Timing
from splashgen.tune.measure.standing import Standing

__all__ = ["winning_entry"]


def winning_entry(
    problem: Problem,
    regime: Regime,
    standings: Sequence[Standing],
    won: Standing,
    default: Config,
    code_hash: str,
    trials: int,
) -> Entry:
    """The entry of the winner, beside the default's time and that of the best of the others.

    Parameters
    ----------
    standings : sequence of Standing
        Who was timed; `won` is one of them.
    default : Config
        What is used where nothing is tuned; it may have failed the final gate.
    code_hash : str
        Of the winner's code.
    trials : int
        Candidates that were evaluated.
    """
    times = {standing.config: _timing(standing) for standing in standings}
    others = [standing for standing in standings if standing.config != won.config]
    second = min(others, key=lambda standing: standing.overall, default=None)
    return Entry(
        problem=problem,
        config=won.config,
        code_hash=code_hash,
        status=Status.MEASURED,
        time_ms=times[won.config],
        error=won.outcome.errors,
        trials=trials,
        tuned_at=date.today().isoformat(),
        regime=regime,
        default_time_ms=times.get(default),
        runner_up=RunnerUp(second.config, times[second.config]) if second else None,
    )


def _timing(standing: Standing) -> Timing:
    time = standing.time
    return Timing(time.median, time.low, time.high)
