"""The correctness gate: no candidate is timed before its results are within the error budget."""

import contextlib
import random
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from splashgen.budget import judge
from splashgen.cases import Inputs, Outputs, case_for
from splashgen.kernel import Kernel
from splashgen.problem import Operation, Problem

__all__ = ["Exam", "Question", "Ruling", "final_questions", "poisoned", "trial_questions"]

_RAGGED = {"cuda": (600, 1000), "cpu": (200, 400)}
"""Bounds of a length that spans several tiles, by the device's type."""

_LONGEST = {"cuda": 2048, "cpu": 512}
"""Of attention, whose truth needs n×n numbers in float64; rows of entmax are judged at their full length."""


@dataclass(frozen=True, slots=True)
class Question:
    """One input that a candidate is examined on."""

    workload: str
    seq_len: int
    seed: int


@dataclass(frozen=True, slots=True)
class Ruling:
    """What the gate found."""

    passed: bool
    reason: str
    """The sentence of the first question that failed."""
    errors: Mapping[str, float]
    """Of each output, error and budget where they came closest: `out`, `out_budget`, …"""


def trial_questions(problem: Problem, seed: int, device: torch.device) -> tuple[Question, ...]:
    """Few, fresh and ragged: lengths that fill no tile, on a random rotation of the workloads.

    Kernels of attention do not depend on the length, so short inputs judge long ones. Those of rows do: only
    the problem's own length and others of its bucket run the code that is timed, and no other is compiled.
    The seed changes every few trials, so that no candidate passes by luck on inputs that the study has grown
    used to.
    """
    draw = random.Random(seed)
    workloads = list(case_for(problem.operation).workloads)
    draw.shuffle(workloads)
    if problem.operation is Operation.ATTENTION:
        lengths = [1, 77, draw.randrange(*_RAGGED[device.type])]
    else:
        lengths = [
            _within_bucket(problem.seq_len, draw),
            problem.seq_len,
            _within_bucket(problem.seq_len, draw),
        ]
    return _ask(workloads, lengths, seed)


def final_questions(problem: Problem, seed: int, device: torch.device) -> tuple[Question, ...]:
    """What a winner has to pass: every workload at a long ragged length, and short ones besides."""
    draw = random.Random(seed)
    longest = max(problem.seq_len, 128)
    if problem.operation is Operation.ATTENTION:
        longest = min(longest, _LONGEST[device.type])
    workloads = case_for(problem.operation).workloads
    lengths = [draw.randrange(longest * 3 // 4, longest) for _ in workloads]
    short = _ask(workloads[:2], [1, 77], seed + 2)
    return _ask(workloads, lengths, seed) + short + trial_questions(problem, seed + 1, device)


def _within_bucket(length: int, draw: random.Random) -> int:
    """A length above half of it, a multiple of 16 if it is one: Triton compiles code of its own for those."""
    step = 16 if length % 16 == 0 else 1
    return draw.choice([shorter for shorter in range(step, length + 1, step) if 2 * shorter > length])


def _ask(workloads: Sequence[str], lengths: Sequence[int], seed: int) -> tuple[Question, ...]:
    return tuple(
        Question(workloads[index % len(workloads)], length, seed * 1000 + index)
        for index, length in enumerate(lengths)
    )


class Exam:
    """Questions with their true answers, which are worked out once however many kernels are examined."""

    def __init__(self, problem: Problem, questions: Sequence[Question], device: torch.device) -> None:
        self._problem, self._questions, self._device = problem, tuple(questions), device
        self._answers: dict[Question, tuple[Inputs, Outputs, Outputs]] = {}

    def examine(self, kernel: Kernel) -> Ruling:
        """Run the kernel on each question and compare with the float64 truth, until one fails."""
        case = case_for(self._problem.operation)
        closest: dict[str, tuple[float, float]] = {}
        for question in self._questions:
            inputs, truth, rounded = self._answer(question)
            with poisoned():
                outputs = case.run(kernel, inputs)
            verdict = judge(outputs, truth, rounded)
            for name, (error, budget) in verdict.errors.items():
                before = closest.get(name)
                # Written so that a NaN, which compares as false, takes the place.
                if before is None or not error * before[1] <= before[0] * budget:
                    closest[name] = (error, budget)
            if not verdict.passed:
                where = f"{question.workload}, length {question.seq_len}, seed {question.seed}"
                return Ruling(False, f"{verdict.sentence} ({where})", _flat(closest))
        return Ruling(True, "", _flat(closest))

    def _answer(self, question: Question) -> tuple[Inputs, Outputs, Outputs]:
        if question not in self._answers:
            case = case_for(self._problem.operation)
            asked = replace(self._problem, seq_len=question.seq_len)
            inputs = case.draw(asked, question.workload, question.seed, self._device)
            self._answers[question] = inputs, case.truth(asked, inputs), case.rounded_once(asked, inputs)
        return self._answers[question]


def _flat(closest: Mapping[str, tuple[float, float]]) -> dict[str, float]:
    flat: dict[str, float] = {}
    for name, (error, budget) in closest.items():
        flat[name], flat[f"{name}_budget"] = error, budget
    return flat


@contextlib.contextmanager
def poisoned() -> Iterator[None]:
    """Within, what `torch.empty` returns is filled with NaN, so an element left unwritten shows."""
    fill = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    mode = torch.get_deterministic_debug_mode()
    try:
        torch.utils.deterministic.fill_uninitialized_memory = True  # type: ignore[attr-defined]
        # Filling comes with this mode; that some torch operations are nondeterministic is no concern here.
        # `use_deterministic_algorithms` does the same and imports all of Inductor, which takes seconds.
        torch.set_deterministic_debug_mode("warn")
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*deterministic.*")
            yield
    finally:
        torch.utils.deterministic.fill_uninitialized_memory = fill  # type: ignore[attr-defined]
        torch.set_deterministic_debug_mode(mode)
