"""Who wins: finalists, incumbent and default meet, and the holder falls only beyond the measured noise.

A winner serves every length of its bucket. So all of them meet twice: at the bucket's own length, whose times
are stored, and at a ragged length inside it, where whoever takes the holder's place must not be slower.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from splashgen.config import Config
from splashgen.gpu import Gpu
from splashgen.problem import Problem
from splashgen.store.entry import Regime
from splashgen.tune.measure.bench import Bench
from splashgen.tune.measure.evaluate import ShootOut, Trial
from splashgen.tune.measure.noise import Interval, faster_beyond_noise
from splashgen.tune.measure.outcome import Outcome

__all__ = ["Standing", "confirm", "meeting", "winner"]

_FINALISTS = 3
_EXAMINED = 10
"""Candidates that are examined at most to find the finalists."""
_RAGGED_PART = 0.3
"""Of the seconds, for the meeting at the ragged length."""
_SHORTEST = 64
"""Buckets below it have no length apart from their own that is worth a meeting."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A config after the shoot-out."""

    config: Config
    outcome: Outcome
    ragged: tuple[float, ...] = ()
    """Milliseconds at the ragged length, one a round; empty in a bucket that has none."""

    @property
    def time(self) -> Interval:
        """The median time with its interval, in milliseconds."""
        return self.outcome.time


def confirm(
    bench: Bench,
    problem: Problem,
    gpu: Gpu,
    holders: Sequence[Config],
    ranked: Sequence[Config],
    seed: int,
    seconds: float,
    regime: Regime = Regime.MIXED,
) -> tuple[list[Standing], list[Standing]]:
    """Judge holders and the best candidates at the strictest, and time those that pass against each other.

    Parameters
    ----------
    holders : sequence of Config
        Incumbent and default: they take part in any case.
    ranked : sequence of Config
        Candidates, the fastest first. Where one fails the final gate, the next one steps in.
    regime : Regime
        What they are timed on.

    Returns
    -------
    standings, rejected : list of Standing
        Who was timed, and who failed.

    Raises
    ------
    CallLost
        If the worker was lost while it timed them.
    """
    passed: list[Standing] = []
    rejected: list[Standing] = []
    finalists = 0
    for config in dict.fromkeys((*holders, *ranked[:_EXAMINED])):
        if config not in holders and finalists == _FINALISTS:
            break
        standing = Standing(config, bench.finalist(Trial(problem, config, gpu, seed, seconds)))
        (passed if standing.outcome.ok else rejected).append(standing)
        finalists += standing.outcome.ok and config not in holders
    if not passed:
        return [], rejected
    configs = [standing.config for standing in passed]
    times = meeting(bench, problem, gpu, configs, seed, seconds, regime)
    timed = [
        Standing(standing.config, replace(standing.outcome, samples=own), ragged)
        for standing, (own, ragged) in zip(passed, times, strict=True)
    ]
    return timed, rejected


def meeting(
    bench: Bench,
    problem: Problem,
    gpu: Gpu,
    configs: Sequence[Config],
    seed: int,
    seconds: float,
    regime: Regime = Regime.MIXED,
) -> list[tuple[tuple[float, ...], tuple[float, ...]]]:
    """Milliseconds of each config in interleaved rounds: at the bucket's own length, and at a ragged one.

    The second is empty in a bucket that has no ragged length, or where nobody else is there.

    Raises
    ------
    CallLost
        If the worker was lost while it timed them.
    """
    ragged = _ragged(problem)
    part = 1.0 if ragged is None else 1.0 - _RAGGED_PART
    samples = bench.shoot_out(ShootOut(problem, tuple(configs), gpu, seed, part * seconds, regime))
    if ragged is None or len(configs) == 1:
        return [(own, ()) for own in samples]
    others = bench.shoot_out(ShootOut(ragged, tuple(configs), gpu, seed, _RAGGED_PART * seconds, regime))
    return list(zip(samples, others, strict=True))


def _ragged(problem: Problem) -> Problem | None:
    """The problem at a length that is neither the bucket's own nor fills a tile."""
    if problem.seq_len < _SHORTEST:
        return None
    return replace(problem, seq_len=problem.seq_len * 11 // 16 + 5)


def winner(standings: Sequence[Standing], holder: Config) -> Standing:
    """The fastest of those that beat the holder beyond noise, and do not lose to it elsewhere in the bucket.

    Without any it is the holder.

    A holder that is not among the standings, because it failed the final gate, is no hurdle.

    Raises
    ------
    ValueError
        If there are no standings.
    """
    if not standings:
        raise ValueError("standings is empty: no config passed the final gate.")
    ranked = sorted(standings, key=lambda standing: standing.time.median)
    holding = next((standing for standing in ranked if standing.config == holder), None)
    if holding is None:
        return ranked[0]
    for challenger in ranked:
        faster = faster_beyond_noise(challenger.outcome.samples, holding.outcome.samples)
        if faster and not (challenger.ragged and faster_beyond_noise(holding.ragged, challenger.ragged)):
            return challenger
    return holding
