"""What happens inside the worker: build, gate, time; and the interleaved shoot-out of the finalists."""

import functools
import random
import statistics
from dataclasses import dataclass, replace

import torch

from splashgen.cases import case_for
from splashgen.config import Config
from splashgen.gpu import Gpu
from splashgen.kernel import Kernel, build
from splashgen.problem import Problem
from splashgen.store.entry import Regime
from splashgen.tune.measure.floor import floors_ms
from splashgen.tune.measure.gate import Exam, Ruling, final_questions, trial_questions
from splashgen.tune.measure.noise import geometric_mean
from splashgen.tune.measure.outcome import Outcome, Status
from splashgen.tune.measure.sensors import observed
from splashgen.tune.measure.timing import (
    Beside,
    Stopwatch,
    Subject,
    bucket_inputs,
    device_of,
    repeat,
    rounds,
    timed_inputs,
)

__all__ = [
    "Anchor",
    "ShootOut",
    "Trial",
    "judge_finalist",
    "prepare_device",
    "rejected",
    "run_shoot_out",
    "run_trial",
]

_WARM_PART = 0.05
"""Of the seconds of a shoot-out, for each finalist."""
_FEWEST_MEETINGS = 10
"""Rounds of a shoot-out, however slow: five cannot tell one percent on a chip at its power limit."""
_CLASS = 8
"""Candidates of a search that sit the same exam, one after the other: its truths are the costly part."""
_TIMED_SEED = 7
"""All candidates are timed on the same inputs, which the gate never uses."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """The first candidate that was timed, and what all others are compared with.

    Not the best so far: of many it is the one that was luckiest when it was timed, and a scale that is
    fixed to it, and to its successors, shrinks.
    """

    config: Config
    laps: tuple[float, ...]
    """`Outcome.laps` of it."""

    @classmethod
    def of(cls, config: Config, outcome: Outcome) -> "Anchor | None":
        """None where its laps are not known: earlier versions kept none."""
        return cls(config, outcome.laps) if outcome.laps else None


@dataclass(frozen=True, slots=True)
class Trial:
    """One candidate to judge and time."""

    problem: Problem
    config: Config
    gpu: Gpu
    seed: int
    seconds: float
    """To spend on repetitions."""
    anchor: Anchor | None = None
    """Is timed in the same rounds, so that drift cancels."""
    best: tuple[float, ...] = ()
    """`Outcome.laps` of the fastest so far: a candidate that is certainly behind is timed less often."""
    regime: Regime = Regime.MIXED
    """What it is timed on; it is judged on the same inputs in all of them."""


@dataclass(frozen=True, slots=True)
class ShootOut:
    """Finalists that passed the gate, to be timed against each other."""

    problem: Problem
    configs: tuple[Config, ...]
    gpu: Gpu
    seed: int
    seconds: float
    regime: Regime = Regime.MIXED


def prepare_device(gpu: Gpu) -> None:
    """Import and set up what the first trial would wait for."""
    torch.zeros(1, device=device_of(gpu))


def run_trial(trial: Trial) -> Outcome:
    """Build the candidate, ask the gate, time it."""
    device = device_of(trial.gpu)
    try:
        kernel = build(trial.problem, trial.config)
        outcome = _outcome(_trial_exam(trial.problem, trial.seed // _CLASS, device).examine(kernel))
        if not outcome.ok:
            return outcome
        return _timed(trial, kernel, outcome, device)
    except Exception as error:
        return rejected(error)


def _timed(trial: Trial, kernel: Kernel, passed: Outcome, device: torch.device) -> Outcome:
    """The outcome with its times, taken once more where they are faster than the chip can be."""
    own, elsewhere = bucket_inputs(trial.problem, _TIMED_SEED, device, trial.regime)
    inputs = own + elsewhere
    floors = floors_ms(trial.problem, trial.gpu, inputs)
    beside = _beside(trial, len(inputs), device)
    best = trial.best if len(trial.best) == len(inputs) else ()
    for _ in range(2):
        subject = Subject(case_for(trial.problem.operation), kernel, inputs, Stopwatch(device))
        with observed(device) as conditions:
            timed = list(repeat(subject, trial.seconds, beside, best))
        laps = tuple(map(statistics.median, zip(*timed, strict=True)))
        below = [(lap, floor) for lap, floor in zip(laps, floors, strict=True) if lap < floor]
        if not below:
            samples = tuple(geometric_mean(each[: len(own)]) for each in timed)
            ragged = tuple(geometric_mean(each[len(own) :]) for each in timed) if elsewhere else ()
            return replace(passed, samples=samples, laps=laps, conditions=conditions, ragged=ragged)
    lap, floor = below[0]
    reason = (
        f"It took {lap:.4g} ms, measured twice, but reading its inputs and multiplying takes {floor:.4g} ms."
    )
    return Outcome(Status.IMPLAUSIBLE, reason, passed.errors, conditions=conditions)


def _beside(trial: Trial, inputs: int, device: torch.device) -> Beside | None:
    """The anchor; None where there is none, or its times are those of an earlier version's other inputs."""
    if trial.anchor is None or len(trial.anchor.laps) != inputs:
        return None
    subject = _warm(trial.problem, trial.anchor.config, trial.regime, device, trial.seconds / 4.0)
    return Beside(subject, trial.anchor.laps)


@functools.lru_cache(maxsize=1)
def _warm(problem: Problem, config: Config, regime: Regime, device: torch.device, seconds: float) -> Subject:
    """The anchor, kept from one candidate to the next."""
    own, elsewhere = bucket_inputs(problem, _TIMED_SEED, device, regime)
    subject = Subject(case_for(problem.operation), build(problem, config), own + elsewhere, Stopwatch(device))
    subject.warm_up(seconds)
    return subject


def judge_finalist(trial: Trial) -> Outcome:
    """The gate at its strictest: every workload, lengths near the problem's own; nothing is timed."""
    try:
        exam = _final_exam(trial.problem, trial.seed, device_of(trial.gpu))
        return _outcome(exam.examine(build(trial.problem, trial.config)))
    except Exception as error:
        return rejected(error)


def run_shoot_out(task: ShootOut) -> tuple[tuple[float, ...], ...]:
    """Milliseconds of every finalist in interleaved rounds: samples with the same index are of one round.

    The order within a round is drawn anew each time, so heat and clocks favour nobody.
    """
    device, case = device_of(task.gpu), case_for(task.problem.operation)
    inputs, watch = timed_inputs(task.problem, _TIMED_SEED, device, task.regime), Stopwatch(device)
    subjects = [Subject(case, build(task.problem, config), inputs, watch) for config in task.configs]
    samples: list[list[float]] = [[] for _ in subjects]
    order, draw = list(range(len(subjects))), random.Random(task.seed)
    for subject in subjects:
        subject.warm_up(_WARM_PART * task.seconds)
    for _ in rounds(task.seconds, _FEWEST_MEETINGS):
        draw.shuffle(order)
        for place in order:
            samples[place].append(geometric_mean(subjects[place].round()))
    return tuple(map(tuple, samples))


@functools.lru_cache(maxsize=1)
def _trial_exam(problem: Problem, seed: int, device: torch.device) -> Exam:
    """A recording asks the same of all its candidates; a search has new questions for every few."""
    return Exam(problem, trial_questions(problem, seed, device), device)


@functools.lru_cache(maxsize=1)
def _final_exam(problem: Problem, seed: int, device: torch.device) -> Exam:
    """All finalists of a problem sit the same exam, whose truths are the costly part."""
    return Exam(problem, final_questions(problem, seed, device), device)


def _outcome(ruling: Ruling) -> Outcome:
    return Outcome(Status.OK if ruling.passed else Status.WRONG, ruling.reason, ruling.errors)


def rejected(error: Exception) -> Outcome:
    """The outcome of a candidate that raised."""
    first_line = (str(error).strip().splitlines() or [""])[0][:500]
    reason = f"{type(error).__name__}: {first_line}"
    # Triton's class, by name: it is not installed everywhere.
    if isinstance(error, torch.OutOfMemoryError) or type(error).__name__ == "OutOfResources":
        return Outcome(Status.DOES_NOT_FIT, reason)
    # After an illegal access every further call of the process fails: the tuner replaces it on this status.
    if isinstance(error, torch.AcceleratorError) or "CUDA error" in reason or "HIP error" in reason:
        return Outcome(Status.CRASHED, reason)
    return Outcome(Status.FAILED, reason)
