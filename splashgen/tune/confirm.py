"""Who wins: finalists, incumbent and default meet, and the holder falls only beyond the measured noise."""

from collections.abc import Sequence
from dataclasses import dataclass

from splashgen.config import Config
from splashgen.gpu import Gpu
from splashgen.problem import Problem
from splashgen.tune.bench import Bench
from splashgen.tune.evaluate import ShootOut, Trial
from splashgen.tune.noise import Interval, faster_beyond_noise
from splashgen.tune.outcome import Outcome

__all__ = ["Standing", "confirm", "winner"]


@dataclass(frozen=True, slots=True)
class Standing:
    """A config after the shoot-out."""

    config: Config
    outcome: Outcome

    @property
    def time(self) -> Interval:
        """The median time with its interval, in milliseconds."""
        return self.outcome.time


def confirm(
    bench: Bench, problem: Problem, gpu: Gpu, configs: Sequence[Config], seed: int, seconds: float
) -> list[Standing]:
    """The configs that pass the final gate, in the given order, timed against each other.

    Raises
    ------
    CallLost
        If the worker was lost while it timed them.
    """
    passed: list[tuple[Config, Outcome]] = []
    for config in dict.fromkeys(configs):
        outcome = bench.finalist(Trial(problem, config, gpu, seed, seconds))
        if outcome.ok:
            passed.append((config, outcome))
    if not passed:
        return []
    finalists = tuple(config for config, _ in passed)
    samples = bench.shoot_out(ShootOut(problem, finalists, gpu, seed, seconds))
    return [
        Standing(config, Outcome(outcome.status, errors=outcome.errors, samples=times))
        for (config, outcome), times in zip(passed, samples, strict=True)
    ]


def winner(standings: Sequence[Standing], holder: Config) -> Standing:
    """The fastest of those that beat the holder beyond noise, else the holder.

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
        if faster_beyond_noise(challenger.outcome.samples, holding.outcome.samples):
            return challenger
    return holding
