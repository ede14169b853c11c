"""The row-wise case: inputs, truth, budget and call."""

from types import SimpleNamespace

import pytest
import torch

from splashgen import reference
from splashgen.alpha import AlphaClass
from splashgen.budget import judge
from splashgen.cases import case_for
from splashgen.problem import DType, Operation, Problem
from splashgen.store import Regime

CPU = torch.device("cpu")
CASE = case_for(Operation.ENTMAX)


def problem(**changes) -> Problem:
    values = {"alpha": AlphaClass.THREE_HALVES, "dtype": DType.FLOAT32, "seq_len": 77, **changes}
    return Problem(Operation.ENTMAX, **values)


@pytest.mark.parametrize("workload", CASE.workloads)
@pytest.mark.parametrize("seq_len", [1, 77])
@pytest.mark.parametrize("dtype", DType)
@pytest.mark.parametrize("alpha", [AlphaClass.GENERIC, AlphaClass.TWO])
def test_honest_arithmetic_passes_every_workload(workload, seq_len, dtype, alpha):
    asked = problem(dtype=dtype, seq_len=seq_len, alpha=alpha)
    inputs = CASE.draw(asked, workload, 1, CPU)
    value = alpha.alpha or float(inputs["features"]["alpha"])
    before = inputs["x"].clone()
    truth, rounded = CASE.truth(asked, inputs), CASE.rounded_once(asked, inputs)
    assert torch.equal(inputs["x"], before) and not inputs["x"].requires_grad

    wide = torch.promote_types(before.dtype, torch.float32)
    z = (value - 1) * inputs["x"].to(wide)
    tau = reference.tau(inputs["x"], value).to(wide)[:, None]
    y = (z - tau).clamp(min=0)
    slopes = torch.where(y > 0, y ** (1 / (value - 1) - 1), 0.0)
    dy = inputs["dy"].to(wide)
    total = slopes.sum(-1, keepdim=True)
    dx = slopes * (dy - (slopes * dy).sum(-1, keepdim=True) / torch.where(total > 0, total, 1))
    outputs = {"out": (y ** (1 / (value - 1))).to(before), "dx": dx.to(before)}
    verdict = judge(outputs, truth, rounded)
    assert verdict.passed, verdict.sentence
    assert not judge({**outputs, "out": outputs["out"] * 1.01}, truth, rounded).passed


def test_ragged_rows_are_strided_and_one_is_empty():
    inputs = CASE.draw(problem(), "ragged", 0, CPU)
    assert inputs["x"].stride() == (80, 1) and inputs["x"].shape == (33, 77)
    truth = CASE.truth(problem(), inputs)
    empty = (inputs["x"] == -torch.inf).all(-1)
    assert empty.sum() == 1 and (truth["out"][empty] == 0).all() and (truth["dx"][empty] == 0).all()


def test_timed_inputs_fill_a_million_elements():
    assert CASE.draw(problem(seq_len=1024), CASE.timed[Regime.MIXED][0], 0, CPU)["x"].shape == (1024, 1024)


@pytest.mark.parametrize("training", [True, False])
def test_run_calls_the_module_by_its_contract(training):
    asked = problem(alpha=AlphaClass.GENERIC, training=training)
    inputs = CASE.draw(asked, "gaussian", 0, CPU)
    kernel = SimpleNamespace(
        forward=lambda x, alpha: (alpha * x, "saved"),
        backward=(lambda dy, saved, alpha: dy if saved == "saved" else None) if training else None,
    )
    outputs = CASE.run(kernel, inputs)
    torch.testing.assert_close(outputs["out"], inputs["features"]["alpha"] * inputs["x"])
    assert list(outputs) == list(CASE.truth(asked, inputs)) == (["out", "dx"] if training else ["out"])
