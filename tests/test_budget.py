"""Budgets follow the rounded-once error, and nothing unwritten or misplaced passes."""

import math

import pytest
import torch

from splashgen.budget import allowance, error, judge
from splashgen.problem import DType


def test_the_error_is_relative_to_the_whole_tensor():
    truth = torch.tensor([3.0, 4.0], dtype=torch.float64)
    assert error(truth + torch.tensor([0.0, 0.5]), truth) == pytest.approx(0.1)
    assert error(truth, truth) == 0.0
    assert error(torch.zeros(2), torch.zeros(2)) == 0.0
    assert error(torch.ones(2), torch.zeros(2)) == math.inf
    assert error(torch.ones(2), torch.zeros(2), quiet=10.0) == pytest.approx(0.1)
    assert error(torch.zeros(0), torch.zeros(0)) == 0.0


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_not_finite_must_be_where_the_truth_is_not(value):
    truth, poisoned = torch.ones(3), torch.tensor([1.0, value, 1.0])
    assert error(poisoned, truth) == math.inf
    assert error(truth, poisoned) == math.inf
    assert error(poisoned, poisoned) == 0.0


def test_allowances():
    assert allowance("out", DType.BFLOAT16, 2e-3) == pytest.approx(2.5e-3)
    assert allowance("dq", DType.BFLOAT16, 2e-3) == pytest.approx(4e-3)
    assert allowance("out", DType.FLOAT32, 1e-8) == 1e-5
    assert allowance("dk", DType.FLOAT32, 1e-8) == 3e-5
    assert allowance("dalpha", DType.FLOAT32, 1e-8) == 1e-3
    assert allowance("out", DType.FLOAT64, 1e-17) == 1e-11
    for dtype in DType:
        assert allowance("out", dtype, 0.0) > 0.0


def case(dtype: torch.dtype) -> tuple[dict, dict]:
    generator = torch.Generator().manual_seed(0)
    truth = {name: torch.randn(64, 8, dtype=torch.float64, generator=generator) for name in ("out", "dq")}
    return truth, {name: tensor.to(dtype).double() for name, tensor in truth.items()}


def test_a_rounded_result_passes_and_says_so():
    truth, rounded = case(torch.bfloat16)
    verdict = judge({name: tensor.bfloat16() for name, tensor in truth.items()}, truth, rounded)
    assert verdict.passed
    assert verdict.errors["out"][0] * 1.25 == pytest.approx(verdict.errors["out"][1])
    assert verdict.errors["dq"][0] * 2 * (1 + 1 / 8) == pytest.approx(verdict.errors["dq"][1])
    assert "within its budget: out" in verdict.sentence


@pytest.mark.parametrize(("rows", "spread"), [(1, 2.0), (100, 1.1), (1_000_000, 1.001)])
def test_gradients_of_few_rows_are_judged_more_widely_and_outputs_are_not(rows: int, spread: float):
    truth = {"out": torch.ones(rows, 2), "dq": torch.ones(rows, 2)}
    rounded = {name: 1.01 * tensor for name, tensor in truth.items()}
    errors = judge({name: tensor.half() for name, tensor in truth.items()}, truth, rounded).errors
    assert errors["out"][1] == pytest.approx(1.25 * 0.01)
    assert errors["dq"][1] == pytest.approx(2 * 0.01 * spread)


def test_the_sentence_names_what_is_off():
    truth, rounded = case(torch.bfloat16)
    outputs = {"out": truth["out"].bfloat16(), "dq": 1.1 * truth["dq"].bfloat16()}
    verdict = judge(outputs, truth, rounded)
    assert not verdict.passed
    assert "dq is off by 0.1" in verdict.sentence and "out" not in verdict.sentence.split("where")[0]


def test_missing_misshapen_and_unwritten_results_fail():
    truth, rounded = case(torch.float32)
    out = truth["out"].float()
    assert "dq is missing" in judge({"out": out}, truth, rounded).sentence
    assert "dq is of shape (2,)" in judge({"out": out, "dq": torch.zeros(2)}, truth, rounded).sentence
    unwritten = truth["dq"].float()
    unwritten[3, 4] = math.nan
    assert "dq is not finite" in judge({"out": out, "dq": unwritten}, truth, rounded).sentence


def test_a_sum_that_cancels_is_measured_by_its_terms() -> None:
    """Four terms of size 1 leave 0.01; an error of 0.003 is small beside the terms, one of 0.5 is not."""
    truth = {"out": torch.ones(4), "dalpha": torch.tensor([0.01]), "dalpha_size": torch.tensor([2.0])}
    near, far = (
        truth | {"out": torch.ones(4).half(), "dalpha": truth["dalpha"] + off} for off in (0.003, 0.5)
    )
    assert judge(near, truth, truth).passed
    assert judge(near, truth, truth).errors.keys() == {"out", "dalpha"}
    assert "dalpha is off by 0.25" in judge(far, truth, truth).sentence
    del truth["dalpha_size"]
    assert not judge(near, truth, truth).passed
