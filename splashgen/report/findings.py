"""What a history shows: how the best came down, what mattered, what is worth having, what was lost."""

import math
import warnings
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import optuna
from optuna.trial import TrialState

from splashgen.report.histories import Candidate, History
from splashgen.tune.measure.outcome import Status

__all__ = ["FEWEST", "Conditions", "Loss", "conditions", "convergence", "frontier", "importance", "losses"]

FEWEST = 20
"""Timed candidates below which nothing is said about what mattered: a quarter of them would be too few."""


def convergence(history: History) -> list[tuple[int, float, float]]:
    """(number, seconds of search, best ms so far) after each candidate, from the first correct one on."""
    best, steps = math.inf, []
    for candidate in history.candidates:
        if candidate.outcome.ok:
            best = min(best, candidate.outcome.median)
        if best < math.inf:
            steps.append((candidate.number, candidate.spent, best))
    return steps


def importance(history: History) -> dict[str, float] | None:
    """The share of each parameter in being among the fastest quarter, largest first; None if too few ran.

    PED-ANOVA (Watanabe, Bansal, Hutter 2023, arXiv 2304.10255) suits a search that stays near its best: it
    compares the values of the fastest with those that were tried, not with those that could have been.
    """
    timed = [trial for trial in history.trials if trial.state is TrialState.COMPLETE]
    if len(timed) < FEWEST:
        return None
    varied = [name for name in timed[0].params if len({trial.params.get(name) for trial in timed}) > 1]
    if not varied:
        return None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study()
    study.add_trials(timed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=0.25)
        found = optuna.importance.get_param_importances(study, evaluator=evaluator, params=varied)
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def frontier(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Those that no other one beats both in time and in error / budget, fastest first."""
    kept: list[Candidate] = []
    closest = math.inf
    timed = [one for one in candidates if one.outcome.ok and one.closeness is not None]
    for candidate in sorted(timed, key=lambda one: (one.outcome.median, one.closeness)):
        if candidate.closeness < closest:  # type: ignore[operator]
            kept.append(candidate)
            closest = candidate.closeness  # type: ignore[assignment]
    return kept


@dataclass(frozen=True, slots=True)
class Conditions:
    """What the GPU's sensors said while candidates were timed."""

    clock_mhz: tuple[float, float]
    """The lowest and the highest."""
    temperature_c: tuple[float, float]
    throttled: int
    """Candidates during which something lowered the clocks."""
    reasons: tuple[str, ...]
    """What did: NVML's reasons, as `splashgen.tune.measure.sensors` names them."""


def conditions(history: History) -> Conditions | None:
    """The range of the sensors' readings over the search, or None where there were no sensors."""
    told = [one.outcome.conditions for one in history.candidates if one.outcome.conditions]
    if not told:
        return None
    slowed = [reasons.split() for one in told if (reasons := str(one.get("throttled", "")))]
    return Conditions(
        clock_mhz=_range(told, "clock_mhz"),
        temperature_c=_range(told, "temperature_c"),
        throttled=len(slowed),
        reasons=tuple(sorted({reason for reasons in slowed for reason in reasons})),
    )


def _range(told: Sequence[Mapping[str, float | str]], sensor: str) -> tuple[float, float]:
    values = [float(one[f"{sensor}_{when}"]) for one in told for when in ("before", "after")]
    return min(values), max(values)


@dataclass(frozen=True, slots=True)
class Loss:
    """Candidates that were rejected for one kind of reason."""

    status: Status
    candidates: tuple[Candidate, ...]

    @property
    def worst(self) -> float | None:
        """The largest error / budget among them, or None if nothing was compared."""
        return max((one.closeness for one in self.candidates if one.closeness is not None), default=None)


def losses(history: History) -> list[Loss]:
    """The rejected candidates by status, most first."""
    groups: dict[Status, list[Candidate]] = defaultdict(list)
    for candidate in history.rejected:
        groups[candidate.outcome.status].append(candidate)
    found = [Loss(status, tuple(group)) for status, group in groups.items()]
    return sorted(found, key=lambda loss: -len(loss.candidates))
