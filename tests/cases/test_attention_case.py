"""The attention case: any problem can be drawn, and its budget passes honest arithmetic and nothing worse."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from splashgen import reference
from splashgen.alpha import AlphaClass
from splashgen.budget import judge
from splashgen.cases import case_for, check_regime
from splashgen.density import tile_density
from splashgen.problem import DType, Operation, Problem
from splashgen.store import Regime

CPU = torch.device("cpu")
BASE = Problem(
    Operation.ATTENTION, AlphaClass.THREE_HALVES, DType.FLOAT32, 77, head_dim=64, value_dim=64, causal=True
)
CASE = case_for(Operation.ATTENTION)
FEATURES = ("window", "alibi", "key_padding", "attn_mask", "varlen", "grouped")


def plain(inputs, alpha, product=torch.matmul):
    """Causal attention and its gradients as kernels compute: float32 sums, P, O₂ and dS rounded once."""
    dtype = inputs["q"].dtype
    wide = torch.promote_types(dtype, torch.float32)
    q, k, v, dout = (inputs[name].to(wide) for name in ("q", "k", "v", "dout"))
    n_q, n_k = q.shape[2], k.shape[2]
    scores = product(q, k.mT) * inputs["scale"]
    hidden = torch.arange(n_k) > torch.arange(n_q)[:, None] + n_k - n_q
    scores = scores.masked_fill(hidden, -torch.inf)
    tau = reference.tau(scores, alpha).to(wide)[..., None]
    y = ((alpha - 1) * scores - tau).clamp(min=0)
    slopes = torch.where(y > 0, y ** (1 / (alpha - 1) - 1), 0.0)
    total = slopes.sum(-1, keepdim=True)
    p, out2 = (
        x.to(dtype).to(wide) for x in (y ** (1 / (alpha - 1)), slopes @ v / torch.where(total > 0, total, 1))
    )
    ds = (slopes * (dout @ v.mT - (dout * out2).sum(-1, keepdim=True))).to(dtype).to(wide)
    results = {
        "out": p @ v,
        "dq": inputs["scale"] * ds @ k,
        "dk": inputs["scale"] * ds.mT @ q,
        "dv": p.mT @ dout,
    }
    return {name: x.to(dtype) for name, x in results.items()}


def tf32_product(q, k):
    """What a GPU does with float32 unless told otherwise: 10 bits of mantissa."""
    return (q.view(torch.int32) & -8192).view(torch.float32) @ (
        k.contiguous().view(torch.int32) & -8192
    ).view(torch.float32)


@pytest.mark.parametrize("workload", CASE.workloads)
@pytest.mark.parametrize("seq_len", [1, 77])
@pytest.mark.parametrize("dtype", DType)
@pytest.mark.parametrize("alpha", [AlphaClass.TWO, AlphaClass.FIVE_QUARTERS])
def test_honest_arithmetic_passes_every_workload(workload, seq_len, dtype, alpha):
    problem = replace(BASE, alpha=alpha, dtype=dtype, seq_len=seq_len)
    inputs = CASE.draw(problem, workload, 3, CPU)
    verdict = judge(
        plain(inputs, alpha.alpha), CASE.truth(problem, inputs), CASE.rounded_once(problem, inputs)
    )
    assert verdict.passed, verdict.sentence


@pytest.mark.parametrize("workload", [name for name in CASE.workloads if name != "ties"])
def test_silent_tf32_fails(workload):
    inputs = CASE.draw(BASE, workload, 3, CPU)
    verdict = judge(
        plain(inputs, 1.5, tf32_product), CASE.truth(BASE, inputs), CASE.rounded_once(BASE, inputs)
    )
    assert not verdict.passed


def test_gradients_of_zero_are_judged_by_the_size_of_their_terms():
    problem = replace(BASE, seq_len=1)
    inputs = CASE.draw(problem, "gaussian", 0, CPU)
    truth, rounded = CASE.truth(problem, inputs), CASE.rounded_once(problem, inputs)
    outputs = plain(inputs, 1.5)
    assert judge(outputs, truth, rounded).passed
    assert not judge({**outputs, "dq": outputs["dq"] + 1e-3}, truth, rounded).passed


@pytest.mark.parametrize("feature", FEATURES)
def test_each_feature_reaches_the_kernel_and_the_truth(feature):
    problem = replace(BASE, **{feature: True})
    inputs = CASE.draw(problem, "gaussian", 1, CPU)
    expected = {
        "alibi": {"alibi_slopes"},
        "window": {"window_left", "window_right"},
        "varlen": {"cu_seqlens_q", "cu_seqlens_k", "max_seqlen_q", "max_seqlen_k"},
        "grouped": set(),
    }.get(feature, {feature})
    assert set(inputs["features"]) == expected
    truth = CASE.truth(problem, inputs)
    for name, tensor in (("out", "dout"), ("dq", "q"), ("dk", "k"), ("dv", "v")):
        assert truth[name].shape == inputs[tensor].shape
    if feature == "grouped":
        assert inputs["q"].shape[1] == 2 * inputs["k"].shape[1]
    elif feature != "varlen":
        without = CASE.truth(BASE, {**inputs, "features": {}})
        assert not torch.allclose(truth["out"], without["out"])


def test_all_features_together_with_learned_alpha():
    flags = dict.fromkeys(FEATURES, True)
    problem = replace(BASE, alpha=AlphaClass.GENERIC, learned_alpha=True, **flags)
    for workload in CASE.workloads:
        inputs = CASE.draw(problem, workload, 2, CPU)
        truth = CASE.truth(problem, inputs)
        assert truth["dalpha"].shape == inputs["features"]["alpha"].shape == (4,)
        assert all(tensor.isfinite().all() for tensor in truth.values())
        assert judge(
            {n: x.float() for n, x in truth.items()}, truth, CASE.rounded_once(problem, inputs)
        ).passed


def test_packed_lengths_add_up():
    problem = replace(BASE, varlen=True)
    for workload in ("gaussian", "ragged"):
        inputs = CASE.draw(problem, workload, 4, CPU)
        cu_q, cu_k = inputs["features"]["cu_seqlens_q"], inputs["features"]["cu_seqlens_k"]
        assert cu_q.dtype == torch.int32 and cu_q[-1] == cu_k[-1] == 77 == len(inputs["q"])
        assert inputs["features"]["max_seqlen_q"] == cu_q.diff().max()
        assert torch.equal(cu_q, cu_k) == (workload == "gaussian")


def test_ragged_inputs_are_strided_and_have_rows_without_keys():
    problem = replace(BASE, key_padding=True)
    inputs = CASE.draw(problem, "ragged", 0, CPU)
    assert not inputs["q"].is_contiguous() and inputs["q"].stride(-1) == 1
    assert not inputs["features"]["key_padding"][-1].any()
    assert (CASE.truth(problem, inputs)["out"][-1] == 0).all()


def test_drawing_is_reproducible_and_timed_inputs_are_larger():
    gate, timed = (CASE.draw(BASE, name, 0, CPU) for name in ("gaussian", CASE.timed[Regime.MIXED][0]))
    assert torch.equal(gate["q"], CASE.draw(BASE, "gaussian", 0, CPU)["q"])
    assert gate["q"].shape == (2, 2, 77, 64) and timed["q"].shape == (1, 4, 77, 64)
    assert not set(CASE.timed[Regime.MIXED]) & set(CASE.workloads)


def test_the_mixture_is_the_other_regimes_together_and_the_dense_one_is_dense():
    assert CASE.timed[Regime.MIXED] == CASE.timed[Regime.DENSE] + CASE.timed[Regime.SPARSE]
    problem = replace(BASE, seq_len=512, training=False)
    density = {}
    for regime in (Regime.DENSE, Regime.SPARSE):
        (name,) = CASE.timed[regime]
        inputs = CASE.draw(problem, name, 0, CPU)
        density[regime] = tile_density(inputs["q"], inputs["k"])
    assert density[Regime.SPARSE] < 0.5 < 0.9 < density[Regime.DENSE]


def test_rows_of_entmax_have_the_mixture_alone():
    check_regime(Operation.ATTENTION, Regime.SPARSE)
    check_regime(Operation.ENTMAX, Regime.MIXED)
    with pytest.raises(ValueError, match="entmax is tuned for mixed scores only"):
        check_regime(Operation.ENTMAX, Regime.SPARSE)


@pytest.mark.parametrize("training", [True, False])
def test_run_calls_the_module_by_its_contract(training):
    problem = replace(BASE, training=training, alibi=True)
    inputs = CASE.draw(problem, "gaussian", 0, CPU)
    calls = []

    def forward(q, k, v, scale, alibi_slopes):
        calls.append(("forward", scale))
        return q + 1, ("saved",)

    def backward(dout, q, k, v, scale, saved, alibi_slopes):
        calls.append(("backward", saved))
        return dout, k, v

    kernel = SimpleNamespace(forward=forward, backward=backward if training else None)
    outputs = CASE.run(kernel, inputs)
    assert calls == [("forward", 0.125), ("backward", ("saved",))][: 2 if training else 1]
    assert (
        list(outputs)
        == ["out", "dq", "dk", "dv"][: 4 if training else 1]
        == list(CASE.truth(problem, inputs))
    )
