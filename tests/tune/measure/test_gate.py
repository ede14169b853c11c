from dataclasses import replace

import pytest
import torch
from attention_cases import CASE, NUMPY_IS_QUIET, SMALL, problem_of, triton_kernel

from splashgen.alpha import AlphaClass
from splashgen.problem import DType, Operation, Problem
from splashgen.tune.measure.gate import Exam, Question, final_questions, poisoned, trial_questions

PROBLEM = Problem(Operation.ENTMAX, AlphaClass.TWO, DType.FLOAT32, seq_len=5000)
CPU = torch.device("cpu")


def test_poisoned_memory_is_nan_and_the_mode_is_restored() -> None:
    mode = torch.get_deterministic_debug_mode()
    with poisoned():
        assert torch.empty(1000).isnan().all()
        assert torch.empty_like(torch.zeros(7, dtype=torch.bfloat16)).isnan().all()
    assert torch.get_deterministic_debug_mode() == mode


def test_the_mode_is_restored_after_an_error() -> None:
    mode = torch.get_deterministic_debug_mode()
    try:
        with poisoned():
            raise RuntimeError
    except RuntimeError:
        pass
    assert torch.get_deterministic_debug_mode() == mode


def test_every_trial_gets_inputs_of_its_own() -> None:
    first, second = trial_questions(PROBLEM, 1, CPU), trial_questions(PROBLEM, 2, CPU)
    assert {question.seed for question in first}.isdisjoint(question.seed for question in second)
    assert trial_questions(PROBLEM, 1, CPU) == first


def test_lengths_of_attention_are_ragged_and_include_one() -> None:
    attention = replace(PROBLEM, operation=Operation.ATTENTION, head_dim=64, value_dim=64)
    lengths = [question.seq_len for question in trial_questions(attention, 3, CPU)]
    assert 1 in lengths
    assert any(length % 16 for length in lengths if length > 1)


@pytest.mark.parametrize("length", [1, 16, 64, 1000, 1024])
def test_lengths_of_rows_are_of_the_problems_bucket_and_include_its_own(length: int) -> None:
    for seed in range(20):
        questions = trial_questions(replace(PROBLEM, seq_len=length), seed, CPU)
        lengths = [question.seq_len for question in questions]
        assert length in lengths
        assert all(length / 2 < each <= length for each in lengths)
        assert length % 16 or not any(each % 16 for each in lengths), "no code but the timed one is compiled"


def test_the_final_gate_asks_for_the_shortest_rows() -> None:
    assert {1, 77} <= {question.seq_len for question in final_questions(PROBLEM, 0, CPU)}


def test_the_final_gate_asks_for_every_workload_near_the_problem_length() -> None:
    from splashgen.cases import case_for

    questions = final_questions(PROBLEM, 0, CPU)
    long = [question for question in questions if question.seq_len >= 3750]
    assert {question.workload for question in long} == set(case_for(Operation.ENTMAX).workloads)


@NUMPY_IS_QUIET
@pytest.mark.skipif(torch.cuda.is_available(), reason="Triton compiles for the GPU in this process")
def test_speed_cannot_buy_a_tolerance_that_fails_at_alpha_two() -> None:
    """A kernel that reads α is asked with α = 2 in every trial."""
    problem = problem_of("generic", "float16", causal=True)
    for seed in range(4):
        questions = trial_questions(problem, seed, CPU)
        drawn = [CASE.draw(replace(problem, seq_len=q.seq_len), q.workload, q.seed, CPU) for q in questions]
        assert 2.0 in [float(inputs["features"]["alpha"]) for inputs in drawn]
    loose = triton_kernel(problem, CPU, **SMALL, tolerance=0.3)
    found = Exam(problem, [Question("clustered8", 110, 6)], CPU).examine(loose)
    assert not found.passed and found.errors["dq"] > 10.0 * found.errors["dq_budget"]
