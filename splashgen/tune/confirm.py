"""Who wins: finalists, incumbent and default meet, and the holder falls only beyond the measured noise.

A winner serves every length of its bucket. So all of them meet twice: at the bucket's own length, whose times
are stored, and at a ragged length inside it. The geometric mean of the two decides.
"""

from collections.abc import Sequence
from dataclasses import replace

from splashgen.config import Config
from splashgen.gpu import Gpu
from splashgen.problem import Problem
from splashgen.store.entry import Regime
from splashgen.tune.measure.bench import Bench
from splashgen.tune.measure.evaluate import ShootOut, Trial
from splashgen.tune.measure.lengths import ragged
from splashgen.tune.measure.noise import Interval
from splashgen.tune.measure.outcome import Outcome, Status
from splashgen.tune.measure.standing import Standing, noise

__all__ = ["confirm", "meeting", "winner"]

_FINALISTS = 4
_EXAMINED = 10
"""Candidates that are examined at most to find the finalists."""
_WORTHWHILE = 0.995
"""Of the holder's time: what is above it is no reason to change."""
_RAGGED_PART = 0.3
"""Of the seconds, for the meeting at the ragged length."""


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
    timed = [
        replace(met, outcome=replace(met.outcome, errors=standing.outcome.errors))
        for standing, met in zip(
            passed, meeting(bench, problem, gpu, configs, seed, seconds, regime), strict=True
        )
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
) -> list[Standing]:
    """Time configs in interleaved rounds: at the bucket's own length, and at a ragged one.

    The first takes part twice where there are others: what its two places differ by is noise that no interval
    within one place shows. The times at the ragged length are empty in a bucket that has none, or where
    nobody else is there.

    Raises
    ------
    CallLost
        If the worker was lost while it timed them.
    """
    alone = len(configs) == 1
    places = configs if alone else [*configs, configs[0]]
    elsewhere = None if alone else ragged(problem)
    part = 1.0 if elsewhere is None else 1.0 - _RAGGED_PART
    own = bench.shoot_out(ShootOut(problem, tuple(places), gpu, seed, part * seconds, regime))
    there: Sequence[tuple[float, ...]] = [()] * len(places)
    if elsewhere is not None:
        there = bench.shoot_out(ShootOut(elsewhere, tuple(places), gpu, seed, _RAGGED_PART * seconds, regime))
    met = [
        Standing(config, Outcome(Status.OK, samples=samples, ragged=others))
        for config, samples, others in zip(places, own, there, strict=True)
    ]
    if alone:
        return met
    first, *others, second_place = met
    again = second_place.outcome
    return [replace(first, again=again.samples, ragged_again=again.ragged), *others]


def winner(standings: Sequence[Standing], holder: Config) -> Standing:
    """The fastest over the bucket of those that beat the holder; without any it is the holder.

    To beat it is to be faster beyond noise and by half a percent: for less, nobody wants other kernels, which
    have to be compiled wherever they run. Noise is the interval of the paired ratios, and what the two places
    of the one that was timed in two differ by. A holder that is not among the standings, because it failed
    the final gate, is no hurdle.

    Raises
    ------
    ValueError
        If there are no standings.
    """
    if not standings:
        raise ValueError("standings is empty: no config passed the final gate.")
    ranked = sorted(standings, key=lambda standing: standing.overall)
    holding = next((standing for standing in ranked if standing.config == holder), None)
    if holding is None:
        return ranked[0]
    doubt = noise(standings)
    return next((each for each in ranked if _beats(each.against(holding), doubt)), holding)


def _beats(ratio: Interval, doubt: float) -> bool:
    return ratio.high * doubt < 1.0 and ratio.median <= _WORTHWHILE
